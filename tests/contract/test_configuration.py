"""docs/configuration.md is what config.yaml makes of it, and every key has a meaning."""

import pytest

from tests.contract import configuration

TEXT = (configuration.ROOT / "config.yaml").read_text()
KEYS = list(configuration.keys(TEXT))


def test_page_is_up_to_date() -> None:
    assert configuration.PAGE.read_text() == configuration.page(TEXT), "run 'make docs'"


@pytest.mark.parametrize("key", [key.name for key in KEYS])
def test_key_has_a_meaning(key: str) -> None:
    (meaning,) = (each.meaning for each in KEYS if each.name == key)
    assert meaning


def test_every_variable_is_in_the_table() -> None:
    listed = {name for key in KEYS for name in key.variables}
    assert listed == set(configuration.VARIABLE.findall(TEXT))
