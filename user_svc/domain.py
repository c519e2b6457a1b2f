"""Who people are: identities, user names and access tokens, in plain Python."""

import dataclasses
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Self

from chassis.errors import InvalidInput, NotFound, PermissionDenied, Unauthenticated

NAME_LENGTH = 64
LONGEST_TEXT = 320  # the longest e-mail address; GitHub's logins and names are shorter
TICKETS_REMEMBERED = timedelta(hours=1)  # a browser's is good for ten minutes
USED_AGAIN_AFTER = timedelta(hours=1)  # how exact a token's last use is kept

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_TICKET = re.compile(r"[0-9a-f]{64}")
_TOKEN = re.compile(r"dlk_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Identity:
    """What an identity provider tells of a person, known to it for ever as ``subject``."""

    provider: str
    subject: str
    login: str
    name: str = ""
    email: str = ""

    def __post_init__(self) -> None:
        for field in ("provider", "subject", "login"):
            if not getattr(self, field):
                raise InvalidInput("invalid_identity", f"The {field} is missing.", field)
        for field, value in vars(self).items():
            if len(value) > LONGEST_TEXT:
                raise InvalidInput("invalid_identity", f"The {field} is too long.", field)

    def usernames(self) -> Iterator[str]:
        """Yield the names to try, best first: ``bob``, ``bob-2``, ``bob-3`` …"""
        best = _NOT_IN_A_NAME.sub("-", self.login).lstrip("-_")[:NAME_LENGTH] or "user"
        yield best
        for number in count(2):
            suffix = f"-{number}"
            yield best[: NAME_LENGTH - len(suffix)] + suffix


@dataclass(frozen=True)
class User:
    """A person; the name never changes, whatever becomes of the login it was taken from."""

    username: str
    name: str = ""
    email: str = ""
    created_at: datetime | None = dataclasses.field(default=None, compare=False)


@dataclass(frozen=True)
class AccessToken:
    """A new access token. ``secret`` is for its owner alone: we keep the hash."""

    secret: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def new(cls, days: int, now: datetime) -> Self:
        """Make a token of 256 random bits that is good for so many days."""
        return cls("dlk_" + secrets.token_urlsafe(32), now, now + timedelta(days=days))

    @property
    def hash(self) -> bytes:
        """What the store knows of the secret."""
        return token_hash(self.secret)


@dataclass(frozen=True)
class Grant:
    """What a good token says: who is calling, and until when."""

    username: str
    expires_at: datetime


def token_hash(secret: object) -> bytes:
    """Return the hash under which a token is kept; raise ``access_denied`` if it can be none.

    SHA-256 without salt: 256 random bits can't be guessed, and one look-up must find them.
    """
    if not isinstance(secret, str) or not _TOKEN.fullmatch(secret):
        raise access_denied()
    return hashlib.sha256(secret.encode()).digest()


def ticket(text: object) -> bytes | None:
    """Read the name of one sign-in: 32 bytes in hexadecimal, or an empty text for none."""
    if text == "":
        return None
    if not isinstance(text, str) or not _TICKET.fullmatch(text):
        raise InvalidInput("invalid_ticket", "A ticket is 32 bytes in hexadecimal.", "ticket")
    return bytes.fromhex(text)


def used_ticket() -> InvalidInput:
    """Return the answer to a sign-in that has let somebody in already."""
    return InvalidInput("invalid_state", "This sign-in is used up: begin a new one.", "state")


def sign_up_closed() -> PermissionDenied:
    """Return the answer to a newcomer where none may come."""
    return PermissionDenied(
        "sign_up_closed", "New people cannot sign in here: ask whoever runs this Delinkcious."
    )


def access_denied() -> Unauthenticated:
    """Return the one answer to every token that is not good."""
    return Unauthenticated("access_denied", "Access Denied!")


def no_such_user() -> NotFound:
    """Return the answer to a name that nobody has."""
    return NotFound("no_such_user", "There is no user with this name.", "username")


def is_username(text: str) -> bool:
    """Tell whether somebody could have this name."""
    return _USERNAME.fullmatch(text) is not None


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)
