"""Who people are, and how they leave, in plain Python; their tokens are in ``tokens``."""

import dataclasses
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from chassis.errors import InvalidInput, NotFound, PermissionDenied, Unavailable

NAME_LENGTH = 64
LONGEST_TEXT = 320  # the longest e-mail address; GitHub's logins and names are shorter
TICKETS_REMEMBERED = timedelta(hours=1)  # a browser's is good for ten minutes
# Who keeps something of a person; the last one begins when the others have finished.
KEEPERS = ("link_svc", "social_graph_svc", "news_svc")
# Told of a removal that is not finished, they may have lost the word: it is given again.
TELL_AGAIN_AFTER = timedelta(minutes=5)
USER_REMOVED = "user.removed"

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_TICKET = re.compile(r"[0-9a-f]{64}")


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
class Profile:
    """What a person may know of themselves; identities are pairs of provider and login."""

    user: User
    created_at: datetime
    identities: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Removal:
    """Somebody who has left, until nothing of theirs is left anywhere; so long the name is taken.

    ``left`` are the services that still keep something.
    """

    id: uuid.UUID
    username: str
    removed_at: datetime
    left: tuple[str, ...]

    def settled(self, now: datetime, grace_seconds: float) -> bool:
        """Tell whether every request that had begun before has come to its end."""
        return now >= self.removed_at + timedelta(seconds=grace_seconds)


def check_confirmation(username: str, confirm: str) -> None:
    """Raise ``not_confirmed`` unless somebody who wants to leave repeats their own name."""
    if confirm != username:
        message = f"This removes everything that you have: confirm it with your name, {username}."
        raise InvalidInput("not_confirmed", message, "confirm")


def being_removed() -> Unavailable:
    """Return the answer to whoever signs in with a name of which not everything is gone yet."""
    return Unavailable(
        "account_being_removed",
        "The account that had this name is being removed; try again in a moment.",
    )


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


def no_such_user() -> NotFound:
    """Return the answer to a name that nobody has."""
    return NotFound("no_such_user", "There is no user with this name.", "username")


def is_username(text: str) -> bool:
    """Tell whether somebody could have this name."""
    return _USERNAME.fullmatch(text) is not None


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)
