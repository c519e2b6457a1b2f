"""Documents of access tokens: RPC payload to domain value, and back."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from chassis.errors import InvalidInput
from user_svc import tokens
from user_svc.schemas import text, time

DEFAULT_DAYS = 90  # of a personal token, where its maker does not say

ScopesDoc = list[str] | str  # as one text with commas, as forms have it


class NewTokenDoc(TypedDict, total=False):
    """A personal token to make: only the name is needed; one of the two expiries may be given."""

    name: str
    scopes: ScopesDoc
    expires_in_days: int
    expires_at: str


class TokenDoc(TypedDict):
    """A token without its secret; times are RFC 3339 in UTC."""

    id: str
    kind: str
    name: str
    scopes: list[str]
    created_at: str
    last_used_at: str
    expires_at: str


class MadeTokenDoc(TokenDoc):
    """A token that has just been made, with its secret: it is never shown again."""

    access_token: str


class GrantDoc(TypedDict):
    """Whom a token speaks for, by which token, what it may do, and until when."""

    username: str
    expires_at: str
    token_id: str
    kind: str
    scopes: list[str]


def new_token(document: NewTokenDoc, now: datetime, most_days: int) -> tokens.AccessToken:
    """Read a wish for a personal token.

    Raise ``missing_name``, ``invalid_name``, ``invalid_scopes``, ``invalid_expiry`` and others.
    """
    if not isinstance(document, dict):
        raise InvalidInput("invalid_token_wish", "A token to make must be an object.", "token")
    scopes = _scopes(document.get("scopes", "read"))
    expires_at = tokens.expiry(now, _expiry(document, now, most_days), most_days)
    return tokens.AccessToken.personal(text(document, "name"), scopes, now, expires_at)


def token_id(value: str) -> uuid.UUID:
    """Read the id of a token; raise ``missing_id`` or ``no_such_token``."""
    if value is None or value == "":
        raise InvalidInput("missing_id", "The id is missing.", "id")
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise tokens.no_such_token() from None


def kinds(value: str | None) -> tuple[tokens.Kind, ...]:
    """Read which tokens are meant: of one kind, or with no kind given all; or ``invalid_kind``."""
    if not value:
        return tuple(tokens.Kind)
    if value not in list(tokens.Kind):
        raise InvalidInput("invalid_kind", "A kind is session or personal.", "kind")
    return (tokens.Kind(value),)


def dump_token(token: tokens.KeptToken) -> TokenDoc:
    """Write a token that is kept."""
    return {
        "id": str(token.id),
        "kind": token.kind.value,
        "name": token.name,
        "scopes": [scope.value for scope in token.scopes],
        "created_at": time(token.created_at),
        "last_used_at": time(token.last_used_at),
        "expires_at": time(token.expires_at),
    }


def dump_made(token: tokens.AccessToken) -> MadeTokenDoc:
    """Write a token that has just been made."""
    kept = tokens.KeptToken(
        token.id,
        token.kind,
        token.name,
        token.scopes,
        token.created_at,
        token.created_at,
        token.expires_at,
    )
    return {**dump_token(kept), "access_token": token.secret}


def dump_grant(grant: tokens.Grant) -> GrantDoc:
    """Write the answer to a good token."""
    return {
        "username": grant.username,
        "expires_at": time(grant.expires_at),
        "token_id": str(grant.id),
        "kind": grant.kind.value,
        "scopes": [scope.value for scope in grant.scopes],
    }


def _scopes(value: Any) -> list[tokens.Scope]:
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    grantable = [scope.value for scope in tokens.GRANTABLE]
    if not isinstance(names, list) or any(name not in grantable for name in names):
        message = f"The scopes of a token are some of: {', '.join(grantable)}."
        raise InvalidInput("invalid_scopes", message, "scopes")
    return [tokens.Scope(name) for name in names]


def _expiry(document: Any, now: datetime, most_days: int) -> datetime:
    days, moment = document.get("expires_in_days"), document.get("expires_at")
    if days is not None and moment is not None:
        message = "Say expires_in_days or expires_at, not both."
        raise InvalidInput("invalid_expiry", message, "expires_at")
    if moment is not None:
        return _moment(moment)
    if days is None:
        days = min(DEFAULT_DAYS, most_days)
    if type(days) is not int or not 1 <= days <= most_days:
        message = f"expires_in_days must be 1 to {most_days}."
        raise InvalidInput("invalid_expiry", message, "expires_in_days")
    return now + timedelta(days=days)


def _moment(value: Any) -> datetime:
    """Read a date, or a date and time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        message = "expires_at must be a date, like 2030-01-31."
        raise InvalidInput("invalid_expiry", message, "expires_at") from None
