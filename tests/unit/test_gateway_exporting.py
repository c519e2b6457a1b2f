"""Places for exports: one of each person's, so many in all, and given back once."""

import pytest

from chassis.errors import Unavailable
from gateway.exporting import Places


def refusal(places: Places, username: str) -> str:
    with pytest.raises(Unavailable) as refused:
        places.take(username)
    return refused.value.code


def test_a_person_has_one_export_at_a_time() -> None:
    places = Places(2)
    give_back = places.take("alice")
    assert refusal(places, "alice") == "export_under_way"
    give_back()
    places.take("alice")


def test_there_are_so_many_places() -> None:
    places = Places(2)
    give_back = places.take("alice")
    places.take("bob")
    assert refusal(places, "carol") == "too_many_exports"
    give_back()
    places.take("carol")
    assert refusal(places, "bob") == "export_under_way"
