"""The rules of users and tokens."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput, Unauthenticated
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


def test_tokens_are_random_and_expire():
    first, second = (domain.AccessToken.new(30, NOW) for _ in range(2))
    assert first.secret != second.secret
    assert first.secret.startswith("dlk_")
    assert first.expires_at == NOW + timedelta(days=30)
    assert first.hash == domain.token_hash(first.secret)
    assert len(first.hash) == 32


@pytest.mark.parametrize(
    "spoil",
    [
        lambda secret: "",
        lambda secret: secret[:-1],
        lambda secret: secret + "A",
        lambda secret: secret + "\n",
        lambda secret: secret.upper(),
        lambda secret: " " + secret,
        lambda secret: "gho_" + secret[4:],
        lambda secret: secret * 200,
        lambda secret: secret[:-1] + "ä",
        lambda secret: secret[:-1] + "\ud800",
        lambda secret: secret.encode(),
        lambda secret: None,
        lambda secret: 1,
        lambda secret: [secret],
    ],
)
def test_what_is_no_token_is_denied(spoil):
    with pytest.raises(Unauthenticated, match="Access Denied!") as refusal:
        domain.token_hash(spoil(domain.AccessToken.new(1, NOW).secret))
    assert refusal.value.code == "access_denied"
