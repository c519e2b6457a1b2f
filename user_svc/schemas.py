"""Documents of the user service: RPC payload to domain value, and back."""

import uuid
from datetime import UTC, datetime
from typing import Any, TypedDict

from chassis.errors import InvalidInput
from user_svc import domain, tokens


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
    token_id: str


class UserDoc(TypedDict):
    """What anybody may know of a person."""

    username: str
    name: str
    created_at: str


class SignInDoc(TypedDict):
    """A way to sign in: the provider, and what it called the person last."""

    provider: str
    login: str


class ProfileDoc(TypedDict):
    """What a person may know of themselves."""

    username: str
    name: str
    email: str
    created_at: str
    identities: list[SignInDoc]


class RemovalDoc(TypedDict):
    """Who is being removed; ``settled`` when no request of theirs can be under way any more.

    ``left`` are the services that still keep something of them.
    """

    username: str
    settled: bool
    left: list[str]


def identity(document: IdentityDoc) -> domain.Identity:
    """Read an identity; raise ``invalid_identity`` or ``invalid_text``."""
    if not isinstance(document, dict):
        raise InvalidInput("invalid_identity", "An identity must be an object.", "identity")
    fields = ("provider", "subject", "login", "name", "email")
    return domain.Identity(**{field: text(document, field) for field in fields})


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


def dump_signed_in(user: domain.User, token: tokens.AccessToken) -> SignedInDoc:
    """Write the answer to a sign-in."""
    return {
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "access_token": token.secret,
        "expires_at": time(token.expires_at),
        "token_id": str(token.id),
    }


def dump_user(user: domain.User) -> UserDoc:
    """Write what anybody may know: not the e-mail address."""
    since = time(user.created_at) if user.created_at else ""
    return {"username": user.username, "name": user.name, "created_at": since}


def removal_id(value: str) -> uuid.UUID:
    """Read the id of a removal; raise ``invalid_removal``."""
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise InvalidInput("invalid_removal", "This is no removal.", "removal") from None


def dump_profile(profile: domain.Profile) -> ProfileDoc:
    """Write what a person may know of themselves."""
    return {
        "username": profile.user.username,
        "name": profile.user.name,
        "email": profile.user.email,
        "created_at": time(profile.created_at),
        "identities": [
            {"provider": provider, "login": login} for provider, login in profile.identities
        ],
    }


def dump_removal(
    removal: domain.Removal | None, now: datetime, grace_seconds: float
) -> RemovalDoc | None:
    """Write a removal, or None for one that is finished."""
    if removal is None:
        return None
    return {
        "username": removal.username,
        "settled": removal.settled(now, grace_seconds),
        "left": list(removal.left),
    }


def text(document: Any, field: str) -> str:
    """Return a text that PostgreSQL can keep; a field that is missing or null is empty."""
    value = document.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value or _has_surrogate(value):
        raise InvalidInput("invalid_text", f"The {field} must be a text.", field)
    return value


def _has_surrogate(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def time(moment: datetime) -> str:
    """Write a time as RFC 3339 has it, in UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
