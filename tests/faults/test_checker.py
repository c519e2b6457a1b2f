"""The checker finds what it is there to find."""

import pytest

from tests.faults.checker import Log


@pytest.mark.parametrize(
    ("found", "lost", "unexpected", "duplicated"),
    [
        (["a", "b"], "", "", ""),
        (["a", "b", "c"], "", "", ""),  # attempted, and nobody knows
        (["b"], "a", "", ""),
        (["a", "b", "x"], "", "x", ""),
        (["a", "b", "a"], "", "", "a"),
    ],
)
def test_verdict(found: list[str], lost: str, unexpected: str, duplicated: str) -> None:
    verdict = Log(attempted={"a", "b", "c"}, acknowledged={"a", "b"}).judge(found)
    assert verdict.lost == set(lost)
    assert verdict.unexpected == set(unexpected)
    assert verdict.duplicated == set(duplicated)
    assert verdict.clean == (not lost + unexpected + duplicated)
