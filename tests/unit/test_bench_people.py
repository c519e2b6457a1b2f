"""Who follows whom in the demo."""

import pytest

from bench.demo import people


@pytest.mark.parametrize("count", range(2, len(people.NAMES) + 1))
def test_everybody_follows_somebody_else_and_is_followed(count: int) -> None:
    names = list(people.NAMES[:count])
    follows = people.follows(names)
    assert list(follows) == names
    for name, others in follows.items():
        assert others
        assert name not in others
        assert len(set(others)) == len(others)
    assert {other for others in follows.values() for other in others} == set(names)


def test_no_two_of_five_have_the_same_news() -> None:
    follows = people.follows(list(people.NAMES[:5]))
    assert len({frozenset(others) for others in follows.values()}) == 5
