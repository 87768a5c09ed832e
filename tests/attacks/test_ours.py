"""Who records everything and has no key moves nothing of ours, and is counted as what he is."""

from pathlib import Path

import pytest

from tests.attacks.catalogue import ARP, CATALOGUE
from tests.attacks.products import Sidecar
from tests.attacks.stage import Outcome, wage_all
from tests.attacks.table import fallen, read


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("namespaces")
def test_no_attack_moves_an_address_of_ours_and_each_is_counted(tmp_path: Path) -> None:
    for title, outcomes in wage_all([Sidecar("strict"), Sidecar("compat")], tmp_path).items():
        waged = [one for one in outcomes if one.attack is not ARP]
        assert {one.attack.name: one.verdict for one in waged if one.falls} == {}, title
        assert {one.attack.name for one in waged} == {one.name for one in CATALOGUE}
        assert [wrong for one in waged if (wrong := miscounted(one))] == [], title
        assert fallen(read()[title]) == set()


def miscounted(outcome: Outcome) -> str:
    """What is wrong with the counters: an attack must show, and as what it is."""
    attack, counted = outcome.attack, set(outcome.drops)
    if counted and counted <= attack.drops:
        return ""
    return f"{attack.name}: counted as {outcome.drops}, expected one of {set(attack.drops)}"
