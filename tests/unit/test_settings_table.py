"""The table, the model and the documents say the same."""

from pathlib import Path

import pytest

from sidecar.settings.docs import settings_page, short_table, with_table
from sidecar.settings.model import RunModel, VhostModel
from sidecar.settings.table import RUN_KEYS, SETTINGS, VHOST_KEYS

RENEW = "run: python -m sidecar.settings.docs --write"


def test_the_model_has_the_keys_of_the_table() -> None:
    assert set(VhostModel.model_fields) == set(VHOST_KEYS)
    assert set(RunModel.model_fields) - {"short", "vhosts"} == set(RUN_KEYS)


def test_no_key_stands_twice() -> None:
    assert len({row.key for row in SETTINGS}) == len(SETTINGS)


def test_the_page_of_settings_is_up_to_date(checkout: Path) -> None:
    assert (checkout / "docs" / "settings.md").read_text() == settings_page(), RENEW


def test_the_table_of_the_readme_is_up_to_date(checkout: Path) -> None:
    readme = (checkout / "README.md").read_text()
    assert readme == with_table(readme), RENEW


def test_a_readme_without_markers_stays_as_it_is() -> None:
    assert with_table("nothing\n") == "nothing\n"


def test_the_table_goes_between_the_markers() -> None:
    readme = with_table("a\n<!-- settings -->\nold\n<!-- /settings -->\nz\n")
    assert readme == f"a\n<!-- settings -->\n{short_table()}<!-- /settings -->\nz\n"
    assert with_table(readme) == readme


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.key)
def test_every_setting_says_what_it_is(row: object) -> None:
    from sidecar.settings.table import Setting

    assert isinstance(row, Setting)
    assert all((row.meaning, row.kind, row.span, row.default_text))
