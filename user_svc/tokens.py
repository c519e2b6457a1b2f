"""Access tokens in plain Python: how they are written, what they may do, and for how long.

    dlk_ + 43 digits of base 62 (256 random bits) + 6 digits (the CRC-32 of those 43)

The form is that of GitHub's tokens: a scanner finds ``dlk_[0-9A-Za-z]{49}``, and the check tells
it from chance without asking us. Tokens of before this form have 43 digits of base64url alone.
"""

import hashlib
import re
import secrets
import string
import unicodedata
import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from chassis.errors import InvalidInput, LimitExceeded, NotFound, Unauthenticated

PREFIX = "dlk_"
NAME_LENGTH = 100
USED_AGAIN_AFTER = timedelta(hours=1)  # how exact a token's last use is kept

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BITS = 256
_RANDOM_LENGTH, _CHECK_LENGTH = 43, 6
_TOKEN = re.compile(rf"{PREFIX}([0-9A-Za-z]{{43}})([0-9A-Za-z]{{6}})")
_OLDER_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class Kind(StrEnum):
    """How a token was made: by signing in, or by a person for a program of theirs."""

    SESSION = "session"
    PERSONAL = "personal"


class Scope(StrEnum):
    """What a token may do."""

    READ = "read"
    WRITE = "write"
    ACCOUNT = "account"  # manage tokens, remove the account: only a session may


ALL = tuple(Scope)
GRANTABLE = (Scope.READ, Scope.WRITE)


@dataclass(frozen=True)
class AccessToken:
    """A new access token. ``secret`` is for its owner alone: we keep the hash."""

    secret: str = field(repr=False)
    created_at: datetime
    expires_at: datetime
    kind: Kind = Kind.SESSION
    name: str = ""
    scopes: tuple[Scope, ...] = ALL
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    @classmethod
    def new(cls, days: int, now: datetime) -> Self:
        """Make the token of a session that is good for so many days."""
        return cls(_secret(), now, now + timedelta(days=days))

    @classmethod
    def personal(
        cls, name: str, scopes: Iterable[Scope], now: datetime, expires_at: datetime
    ) -> Self:
        """Make a token for a program; raise ``invalid_name`` or ``invalid_scopes``."""
        check_name(name)
        chosen = tuple(scope for scope in GRANTABLE if scope in set(scopes))
        if not chosen:
            raise InvalidInput("invalid_scopes", "A token needs a scope: read or write.", "scopes")
        return cls(_secret(), now, expires_at, Kind.PERSONAL, name.strip(), chosen)

    @property
    def hash(self) -> bytes:
        """What the store knows of the secret."""
        return token_hash(self.secret)


@dataclass(frozen=True)
class KeptToken:
    """A token as its owner sees it afterwards: all but the secret, which nobody has."""

    id: uuid.UUID
    kind: Kind
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Grant:
    """What a good token says: who is calling, by which token, what they may, and until when."""

    username: str
    expires_at: datetime
    id: uuid.UUID
    kind: Kind
    scopes: tuple[Scope, ...]


def token_hash(secret: object) -> bytes:
    """Return the hash under which a token is kept; raise ``access_denied`` if it can be none.

    SHA-256, once and without salt: what is slow and salted protects what people make up. Nobody
    tries 256 random bits one by one, no table of them can be made, and one look-up must find them.
    """
    if not isinstance(secret, str) or not _is_token(secret):
        raise access_denied()
    return hashlib.sha256(secret.encode()).digest()


def expiry(now: datetime, wanted: datetime, most_days: int) -> datetime:
    """Return when a token shall expire; raise ``invalid_expiry``. None is good for ever."""
    if not now < wanted <= now + timedelta(days=most_days):
        message = f"A token expires in the future, within {most_days} days."
        raise InvalidInput("invalid_expiry", message, "expires_at")
    return wanted


def check_name(name: str) -> None:
    """Raise ``missing_name`` or ``invalid_name``; a name is for its owner's eyes alone."""
    if not name.strip():
        raise InvalidInput("missing_name", "A token needs a name: what is it for?", "name")
    if len(name) > NAME_LENGTH or any(unicodedata.category(char) in _UNSEEN for char in name):
        message = f"A name has at most {NAME_LENGTH} characters, and no control characters."
        raise InvalidInput("invalid_name", message, "name")


_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def access_denied() -> Unauthenticated:
    """Return the one answer to every token that is not good."""
    return Unauthenticated("access_denied", "Access Denied!")


def no_such_token() -> NotFound:
    """Return the answer to an id that none of one's tokens has."""
    return NotFound("no_such_token", "You have no token with this id.", "id")


def too_many_tokens(most: int) -> LimitExceeded:
    """Return the answer to one token too many."""
    return LimitExceeded("too_many_tokens", f"You have {most} tokens, the most one can have.")


def _secret() -> str:
    digits = _base62(secrets.randbits(_BITS), _RANDOM_LENGTH)
    return PREFIX + digits + _check(digits)


def _is_token(text: str) -> bool:
    parts = _TOKEN.fullmatch(text)
    if parts is None:
        return _OLDER_TOKEN.fullmatch(text) is not None
    return parts[2] == _check(parts[1])


def _check(digits: str) -> str:
    return _base62(zlib.crc32(digits.encode()), _CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
