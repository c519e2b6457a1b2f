"""The rules of access tokens, and what is refused of a wish for one."""

import re
import string
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput, ServiceError, Unauthenticated
from user_svc import token_schemas, tokens
from user_svc.tokens import AccessToken, Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = st.sampled_from(["", "read", "write,read", "account", "ci", "2026-02-01", "\0", "\ud800"])
OLDER = "dlk_" + "A_-z" * 10 + "abc"


def test_tokens_are_random_and_expire():
    first, second = (AccessToken.new(30, NOW) for _ in range(2))
    assert first.secret != second.secret
    assert first.expires_at == NOW + timedelta(days=30)
    assert first.hash == tokens.token_hash(first.secret)
    assert len(first.hash) == 32


def test_a_token_has_the_form_that_scanners_are_told_of():
    secrets = [AccessToken.new(1, NOW).secret for _ in range(200)]
    assert all(re.fullmatch(r"dlk_[0-9A-Za-z]{49}", secret) for secret in secrets)
    # Each place takes many values: 256 bits, and a check of 32.
    assert all(len({secret[place] for secret in secrets}) > 3 for place in range(5, 53))


def test_the_check_is_the_one_that_scanners_are_told_of():
    secret = AccessToken.new(1, NOW).secret
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    number = 0
    for letter in secret[-6:]:
        number = 62 * number + digits.index(letter)
    assert number == zlib.crc32(secret[4:-6].encode())


def test_a_token_is_not_shown_by_accident():
    token = AccessToken.new(1, NOW)
    assert token.secret not in repr(token)


def test_a_token_of_before_the_check_is_good():
    assert len(tokens.token_hash(OLDER)) == 32


@given(st.integers(4, 52), st.sampled_from("0123456789ABCabc"))
def test_one_wrong_letter_is_noticed_without_asking_the_store(place, letter):
    secret = AccessToken.new(1, NOW).secret
    wrong = secret[:place] + letter + secret[place + 1 :]
    if wrong != secret:
        with pytest.raises(Unauthenticated):
            tokens.token_hash(wrong)


@pytest.mark.parametrize("make", [lambda: AccessToken.new(1, NOW).secret, lambda: OLDER])
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
def test_what_is_no_token_is_denied(make, spoil):
    with pytest.raises(Unauthenticated, match="Access Denied!") as refusal:
        tokens.token_hash(spoil(make()))
    assert refusal.value.code == "access_denied"


def wish(**fields):
    return token_schemas.new_token({"name": "ci", **fields}, NOW, 366)


def test_a_wish_needs_only_a_name():
    token = wish()
    assert (token.name, token.scopes, token.kind) == ("ci", (Scope.READ,), tokens.Kind.PERSONAL)
    assert token.expires_at == NOW + timedelta(days=90)
    short = token_schemas.new_token({"name": "ci"}, NOW, 7)
    assert short.expires_at == NOW + timedelta(days=7)


@pytest.mark.parametrize("scopes", [["write", "read"], "read,write", "write, read", ["read"] * 9])
def test_scopes_come_as_a_list_or_a_text(scopes):
    wanted = tokens.GRANTABLE if "write" in scopes else (Scope.READ,)
    assert wish(scopes=scopes).scopes == wanted


@pytest.mark.parametrize(
    ("fields", "moment"),
    [
        ({"expires_in_days": 1}, NOW + timedelta(days=1)),
        ({"expires_in_days": 366}, NOW + timedelta(days=366)),
        ({"expires_at": "2026-03-01"}, datetime(2026, 3, 1, tzinfo=UTC)),
        ({"expires_at": "2026-03-01T12:00:00+02:00"}, datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ({"expires_at": "2026-03-01T12:00:00Z"}, datetime(2026, 3, 1, 12, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_a_number_of_days_or_a_date(fields, moment):
    assert wish(**fields).expires_at == moment


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"name": ""}, "missing_name", "name"),
        ({"name": None}, "missing_name", "name"),
        ({"name": "  "}, "missing_name", "name"),
        ({"name": "x" * 101}, "invalid_name", "name"),
        ({"name": "a\nb"}, "invalid_name", "name"),
        ({"name": "a\u202eb"}, "invalid_name", "name"),
        ({"name": "a\0b"}, "invalid_text", "name"),
        ({"name": 7}, "invalid_text", "name"),
        ({"scopes": []}, "invalid_scopes", "scopes"),
        ({"scopes": ""}, "invalid_scopes", "scopes"),
        ({"scopes": None}, "invalid_scopes", "scopes"),
        ({"scopes": ["read", "account"]}, "invalid_scopes", "scopes"),
        ({"scopes": [["read"]]}, "invalid_scopes", "scopes"),
        ({"scopes": {"read": True}}, "invalid_scopes", "scopes"),
        ({"scopes": "Read"}, "invalid_scopes", "scopes"),
        ({"expires_in_days": 0}, "invalid_expiry", "expires_in_days"),
        ({"expires_in_days": 367}, "invalid_expiry", "expires_in_days"),
        ({"expires_in_days": True}, "invalid_expiry", "expires_in_days"),
        ({"expires_in_days": 1.5}, "invalid_expiry", "expires_in_days"),
        ({"expires_in_days": "7"}, "invalid_expiry", "expires_in_days"),
        ({"expires_at": "never"}, "invalid_expiry", "expires_at"),
        ({"expires_at": 7}, "invalid_expiry", "expires_at"),
        ({"expires_at": "2026-01-01"}, "invalid_expiry", "expires_at"),
        ({"expires_at": "2027-01-03"}, "invalid_expiry", "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "invalid_expiry", "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "invalid_expiry", "expires_at"),
        ({"expires_at": "2026-03-01", "expires_in_days": 7}, "invalid_expiry", "expires_at"),
    ],
)
def test_what_is_wrong_with_a_wish_is_named(fields, code, field):
    with pytest.raises(InvalidInput) as refusal:
        wish(**fields)
    assert (refusal.value.code, refusal.value.field) == (code, field)


@given(
    st.dictionaries(
        st.sampled_from(["name", "scopes", "expires_in_days", "expires_at"]),
        st.none() | st.booleans() | st.integers() | TEXTS | st.lists(TEXTS, max_size=3),
    )
)
def test_a_wish_is_refused_in_our_words_or_kept_within_its_bounds(fields):
    try:
        token = token_schemas.new_token(fields, NOW, 366)
    except ServiceError:
        return
    assert NOW < token.expires_at <= NOW + timedelta(days=366)
    assert Scope.ACCOUNT not in token.scopes


@pytest.mark.parametrize("document", [None, "ci", ["ci"], 1])
def test_a_wish_is_an_object(document):
    with pytest.raises(InvalidInput):
        token_schemas.new_token(document, NOW, 366)
