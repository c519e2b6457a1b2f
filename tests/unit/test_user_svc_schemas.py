"""The documents of the user service."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest

from chassis.errors import InvalidInput, NotFound
from user_svc import domain, schemas, token_schemas, tokens

BOB = {"provider": "github", "subject": "1", "login": "bob"}


def test_an_identity_is_read_and_strangers_are_ignored():
    document = {**BOB, "name": "Bob", "email": "bob@example.com", "admin": True}
    expected = domain.Identity("github", "1", "bob", "Bob", "bob@example.com")
    assert schemas.identity(document) == expected


@pytest.mark.parametrize("nothing", [{}, {"name": None, "email": None}, {"name": "", "email": ""}])
def test_name_and_email_may_be_missing(nothing):
    assert schemas.identity({**BOB, **nothing}) == domain.Identity("github", "1", "bob")


@pytest.mark.parametrize("field", ["provider", "subject", "login", "name", "email"])
@pytest.mark.parametrize("value", [1, True, [], {}, "a\0b", "a\ud800"])
def test_what_is_no_text_is_refused(field, value):
    with pytest.raises(InvalidInput) as refusal:
        schemas.identity({**BOB, field: value})
    assert (refusal.value.code, refusal.value.field) == ("invalid_text", field)


@pytest.mark.parametrize("field", ["provider", "subject", "login"])
def test_what_is_missing_is_named(field):
    with pytest.raises(InvalidInput) as refusal:
        schemas.identity({name: value for name, value in BOB.items() if name != field})
    assert (refusal.value.code, refusal.value.field) == ("invalid_identity", field)


@pytest.mark.parametrize("document", [None, "bob", ["bob"], 1])
def test_an_identity_is_an_object(document):
    with pytest.raises(InvalidInput) as refusal:
        schemas.identity(document)
    assert refusal.value.code == "invalid_identity"


@pytest.mark.parametrize(
    ("value", "kind", "code"),
    [
        ("", InvalidInput, "missing_username"),
        (None, InvalidInput, "missing_username"),
        (1, InvalidInput, "invalid_text"),
        ("a b", NotFound, "no_such_user"),
        ("a\0", NotFound, "no_such_user"),
        ("bob\n", NotFound, "no_such_user"),
        ("x" * 65, NotFound, "no_such_user"),
        ("-bob", NotFound, "no_such_user"),
    ],
)
def test_a_name_that_nobody_can_have_is_refused(value, kind, code):
    with pytest.raises(kind) as refusal:
        schemas.username(value)
    assert (refusal.value.code, refusal.value.field) == (code, "username")


def test_times_are_written_in_utc():
    moment = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    grant = tokens.Grant("bob", moment, uuid.UUID(int=1), tokens.Kind.SESSION, tokens.ALL)
    assert token_schemas.dump_grant(grant) == {
        "username": "bob",
        "expires_at": "2026-01-01T00:00:00.000000Z",
        "token_id": "00000000-0000-0000-0000-000000000001",
        "kind": "session",
        "scopes": ["read", "write", "account"],
    }


def test_the_answer_to_a_sign_in_has_the_secret_and_nothing_of_the_hash():
    token = tokens.AccessToken("dlk_x", datetime.now(UTC), datetime(2026, 1, 1, tzinfo=UTC))
    assert schemas.dump_signed_in(domain.User("bob", "Bob", "b@example.com"), token) == {
        "username": "bob",
        "name": "Bob",
        "email": "b@example.com",
        "access_token": "dlk_x",
        "expires_at": "2026-01-01T00:00:00.000000Z",
        "token_id": str(token.id),
    }


def test_others_do_not_see_the_email():
    user = domain.User("bob", "Bob", "b@example.com", datetime(2026, 1, 1, tzinfo=UTC))
    since = "2026-01-01T00:00:00.000000Z"
    assert schemas.dump_user(user) == {"username": "bob", "name": "Bob", "created_at": since}
