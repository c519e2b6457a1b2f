"""Documents of the user service: RPC payload to domain value, and back."""

from datetime import UTC, datetime
from typing import Any, TypedDict

from chassis.errors import InvalidInput
from user_svc import domain


class IdentityDoc(TypedDict, total=False):
    """A person as the identity provider describes them; name and e-mail may be left out."""

    provider: str
    subject: str
    login: str
    name: str
    email: str


class SignedInDoc(TypedDict):
    """A person who has just signed in, with the token that speaks for them."""

    username: str
    name: str
    email: str
    access_token: str
    expires_at: str


class GrantDoc(TypedDict):
    """Whom a token speaks for, and until when."""

    username: str
    expires_at: str


class UserDoc(TypedDict):
    """What anybody may know of a person."""

    username: str
    name: str
    created_at: str


def identity(document: IdentityDoc) -> domain.Identity:
    """Read an identity; raise ``invalid_identity`` or ``invalid_text``."""
    if not isinstance(document, dict):
        raise InvalidInput("invalid_identity", "An identity must be an object.", "identity")
    fields = ("provider", "subject", "login", "name", "email")
    return domain.Identity(**{field: _text(document, field) for field in fields})


def username(value: str) -> str:
    """Read a user name to look up; raise ``missing_username``, ``invalid_text``, ``no_such_user``.

    A text that can be nobody's name is not wrong, there is just no such user.
    """
    if value is None or value == "":
        raise InvalidInput("missing_username", "The username is missing.", "username")
    if not isinstance(value, str):
        raise InvalidInput("invalid_text", "The username must be a text.", "username")
    if not domain.is_username(value):
        raise domain.no_such_user()
    return value


def dump_signed_in(user: domain.User, token: domain.AccessToken) -> SignedInDoc:
    """Write the answer to a sign-in."""
    return {
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "access_token": token.secret,
        "expires_at": _time(token.expires_at),
    }


def dump_grant(grant: domain.Grant) -> GrantDoc:
    """Write the answer to a good token."""
    return {"username": grant.username, "expires_at": _time(grant.expires_at)}


def dump_user(user: domain.User) -> UserDoc:
    """Write what anybody may know: not the e-mail address."""
    since = _time(user.created_at) if user.created_at else ""
    return {"username": user.username, "name": user.name, "created_at": since}


def _text(document: Any, field: str) -> str:
    """Return a text that PostgreSQL can keep; a field that is missing or null is empty."""
    value = document.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value or _has_surrogate(value):
        raise InvalidInput("invalid_text", f"The {field} must be a text.", field)
    return value


def _has_surrogate(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _time(moment: datetime) -> str:
    """Write a time as RFC 3339 has it, in UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
