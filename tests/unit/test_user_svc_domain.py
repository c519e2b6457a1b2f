"""The rules of users."""

import uuid
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from user_svc import domain

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def names(login, count=3):
    return list(islice(domain.Identity("github", "1", login).usernames(), count))


@pytest.mark.parametrize(
    ("login", "name"),
    [
        ("bob", "bob"),
        ("Bob-the_2nd", "Bob-the_2nd"),
        ("bob smith", "bob-smith"),
        ("-_bob", "bob"),
        ("jürgen", "j-rgen"),
        ("漢字", "user"),
        ("---", "user"),
        ("b" * 100, "b" * 64),
        ("bob\n", "bob-"),
    ],
)
def test_a_name_is_made_from_the_login(login, name):
    assert names(login)[0] == name


def test_further_names_carry_a_number():
    assert names("bob") == ["bob", "bob-2", "bob-3"]
    assert names("b" * 64) == ["b" * 64, "b" * 62 + "-2", "b" * 62 + "-3"]


@given(st.text(min_size=1, max_size=320))
def test_every_login_makes_names_that_differ_in_more_than_case(login):
    tried = names(login, 20)
    assert all(domain.is_username(name) for name in tried)
    assert len({name.lower() for name in tried}) == 20


@pytest.mark.parametrize("field", ["provider", "subject", "login"])
@pytest.mark.parametrize("value", ["", "x" * 321])
def test_an_identity_needs_its_parts(field, value):
    parts = {"provider": "github", "subject": "1", "login": "bob", field: value}
    with pytest.raises(InvalidInput) as refusal:
        domain.Identity(**parts)
    assert (refusal.value.code, refusal.value.field) == ("invalid_identity", field)


def test_a_removal_is_settled_after_the_grace():
    removal = domain.Removal(uuid.uuid4(), "bob", NOW, domain.KEEPERS)
    assert not removal.settled(NOW + timedelta(seconds=4.9), 5)
    assert removal.settled(NOW + timedelta(seconds=5), 5)


@pytest.mark.parametrize("confirm", ["", "BOB", "bob ", "true", "eve"])
def test_a_removal_is_confirmed_with_ones_own_name(confirm):
    domain.check_confirmation("bob", "bob")
    with pytest.raises(InvalidInput) as refusal:
        domain.check_confirmation("bob", confirm)
    assert (refusal.value.code, refusal.value.field) == ("not_confirmed", "confirm")
