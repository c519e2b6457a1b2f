"""Who follows whom: names, follows and pages, in plain Python."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from chassis.errors import AlreadyExists, InvalidInput, NotFound, PermissionDenied

FOLLOW_ADDED = "follow.added"
FOLLOW_REMOVED = "follow.removed"
# Whom somebody followed is gone: it does not say who that was.
FOLLOW_LAPSED = "follow.lapsed"
LARGEST_PAGE = 1000

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LONGEST_TOKEN = 128
_CHECK_LENGTH = 12


class Side(StrEnum):
    """Which list of people a person asks about."""

    FOLLOWERS = "followers"
    FOLLOWING = "following"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Follow:
    """One person follows another."""

    follower: str
    followed: str

    def __post_init__(self) -> None:
        check_username(self.follower, "username")
        check_username(self.followed, "followed")
        if self.follower == self.followed:
            raise InvalidInput("cannot_follow_yourself", "You cannot follow yourself.", "followed")


@dataclass(frozen=True)
class Block:
    """One person is not to be bothered by another, nor to be seen."""

    blocker: str
    blocked: str

    def __post_init__(self) -> None:
        check_username(self.blocker, "username")
        check_username(self.blocked, "blocked")
        if self.blocker == self.blocked:
            raise InvalidInput("cannot_block_yourself", "You cannot block yourself.", "blocked")

    @property
    def pair(self) -> tuple[str, str]:
        """Both, the blocker first."""
        return self.blocker, self.blocked


@dataclass(frozen=True)
class Relation:
    """What somebody who looks (``""`` for nobody we know) has to do with a person."""

    follows: bool = False
    blocks: bool = False
    is_blocked: bool = False


@dataclass(frozen=True)
class Profile:
    """A person as somebody finds them who looks."""

    relation: Relation
    followers: int
    following: int


@dataclass(frozen=True)
class Page:
    """Some names in order; the token leads to the next page and is empty after the last."""

    usernames: Sequence[str]
    next_token: str


@dataclass(frozen=True)
class Query:
    """A wish for the next ``size`` names of one side of a person's follows, after a name."""

    side: Side
    username: str
    after: str
    size: int

    @classmethod
    def new(cls, side: Side, username: str, start_token: str, page_size: int) -> "Query":
        """Make a query; raise ``invalid_username``, ``invalid_token`` or ``invalid_page_size``."""
        check_username(username, "username")
        if not 1 <= page_size <= LARGEST_PAGE:
            raise InvalidInput(
                "invalid_page_size", f"The page_size must be 1 to {LARGEST_PAGE}.", "page_size"
            )
        return cls(side, username, _after(start_token, side, username), page_size)

    def page(self, names: Sequence[str]) -> Page:
        """Cut the names found, one more than ``size`` if there are as many, to a page."""
        shown = names[: self.size]
        more = len(names) > self.size
        return Page(shown, _token(shown[-1], self.side, self.username) if more else "")


def check_username(name: str, field: str) -> None:
    """Raise ``missing_username`` (or ``missing_followed``) or ``invalid_username``."""
    if not name:
        raise InvalidInput(f"missing_{field}", f"The {field} is missing.", field)
    if not _USERNAME.fullmatch(name):
        raise InvalidInput("invalid_username", f"The {field} is not a user name.", field)


def can_be_nobody(text: str) -> bool:
    """Tell whether a text is given that no user has as a name."""
    return bool(text) and not _USERNAME.fullmatch(text)


def already_following() -> AlreadyExists:
    """Return the answer to a second follow."""
    return AlreadyExists("already_following", "You follow this user already.", "followed")


def not_following() -> NotFound:
    """Return the answer to unfollowing somebody who is not followed."""
    return NotFound("not_following", "You do not follow this user.", "followed")


def no_such_user() -> NotFound:
    """Return the answer to whom one has blocked: the same as if they were not there."""
    return NotFound("no_such_user", "There is no user with this name.", "followed")


def user_blocked() -> PermissionDenied:
    """Return the answer to following somebody whom one has blocked."""
    return PermissionDenied("user_blocked", "You have blocked this user.", "followed")


def already_blocked() -> AlreadyExists:
    """Return the answer to a second block."""
    return AlreadyExists("already_blocked", "You have blocked this user already.", "blocked")


def not_blocked() -> NotFound:
    """Return the answer to unblocking somebody who is not blocked."""
    return NotFound("not_blocked", "You have not blocked this user.", "blocked")


def _token(name: str, side: Side, username: str) -> str:
    """Name a place in one list, so that it is refused in any other.

    The check is no secret: whoever forges a token reaches a place in a list that they may read.
    """
    return urlsafe_b64encode(_check(name, side, username) + name.encode()).decode().rstrip("=")


def _after(token: str, side: Side, username: str) -> str:
    """Return the name after which a page begins; raise ``invalid_token``."""
    if not token:
        return ""
    if len(token) <= _LONGEST_TOKEN:
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            name = raw[_CHECK_LENGTH:].decode("ascii")
        except ValueError:
            name = ""
        if name and _token(name, side, username) == token:
            return name
    raise InvalidInput("invalid_token", "The start_token is none of this list.", "start_token")


def _check(name: str, side: Side, username: str) -> bytes:
    return sha256(f"{side}\n{username}\n{name}".encode()).digest()[:_CHECK_LENGTH]
