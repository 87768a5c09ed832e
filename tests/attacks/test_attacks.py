"""Each other implementation falls to several of the attacks; docs/security.md shows to which and must be in step."""

from pathlib import Path

import pytest

from tests.attacks.catalogue import ARP
from tests.attacks.measure import README, SUMMARY, summary
from tests.attacks.products import PRODUCTS, Keepalived, Product, Ucarp
from tests.attacks.stage import wage_all
from tests.attacks.table import PAGE, column, fallen, lasting, read, simulated

OTHERS: list[Product] = [Ucarp(), Keepalived(2, authentication=True), Keepalived(3)]


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("namespaces")
def test_ucarp_and_keepalived_fall_to_at_least_three_as_the_page_says(tmp_path: Path) -> None:
    measured = {title: column(outcomes) for title, outcomes in wage_all(OTHERS, tmp_path).items()}
    assert {title: len(fallen(one)) for title, one in measured.items() if len(fallen(one)) < 3} == {}
    for title, told in measured.items():
        page = read()[title]
        # Both were played in real time: one attack at the edge of a timer may end otherwise.
        assert len(lasting(page) - fallen(told)) <= 1, title
        assert len(lasting(told) - fallen(page)) <= 1, title


def test_the_simulated_kernels_fall_as_the_page_says() -> None:
    for title, measured in simulated().items():
        assert len(fallen(measured)) >= 3
        assert measured == {name: told for name, told in read()[title].items() if name != ARP.name}


def test_the_page_shows_the_products_in_their_order() -> None:
    order = [*(one.title for one in PRODUCTS), *simulated()]
    assert [one for one in order if one in read()] == list(read())


def test_the_readme_says_of_a_flood_what_the_page_says() -> None:
    said = SUMMARY.search(README.read_text())
    assert said is not None
    assert said[0] == f"{said[1]}{summary(PAGE.read_text())}{said[2]}"
