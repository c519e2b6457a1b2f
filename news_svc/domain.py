"""Values and rules of the news: what happened, when in the stream, and pages of it."""

import binascii
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from chassis import errors
from contracts import limits

# Far above what link_svc lets through: only keeps a runaway event out of the feeds.
MAX_TEXT_LENGTH = 8192
# A feed's scores are doubles: the largest whole number that they hold exactly.
MAX_SEQUENCE = 2**53 - 1

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TOKEN = struct.Struct(">cQ")


class EventType(StrEnum):
    """What happened to a link; nobody reads that it was hidden, nor what it was before."""

    LINK_ADDED = "link.added"
    LINK_UPDATED = "link.updated"
    LINK_DELETED = "link.deleted"
    LINK_HIDDEN = "link.hidden"


class Order(StrEnum):
    """Which end of a feed comes first."""

    OLDEST = "oldest"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that somebody did, as readers see it; ``time`` is UTC."""

    type: EventType
    author: str
    url: str
    title: str
    time: datetime

    def __post_init__(self) -> None:
        check_username(self.author, "author")
        check_text(self.title, "title")
        if not check_text(self.url, "url"):
            raise errors.InvalidInput("invalid_event", "The event names no URL.", "url")


@dataclass(frozen=True, slots=True)
class Published:
    """An event in the stream: its id, its author's version of it, and its place there."""

    event: Event
    id: str
    version: int
    sequence: int

    def __post_init__(self) -> None:
        if not check_text(self.id, "id"):
            raise errors.InvalidInput("invalid_event", "The event has no id.", "id")
        check_version(self.version)


def firsts(published: Iterable[Published], doubtful: int) -> list[Published]:
    """Return an author's events without duplicates, each at its first place in the stream.

    What comes after an event of a later version is a second copy. Where the beginning is missing,
    the first ``doubtful`` versions may be copies of events before: they are left out.
    """
    found: list[Published] = []
    for one in published:
        if not found or one.version > found[-1].version:
            found.append(one)
    return [one for one in found if not doubtful or one.version >= found[0].version + doubtful]


@dataclass(frozen=True, slots=True)
class FollowChange:
    """That ``follower`` follows ``followed`` from now on, or no longer (``follows`` false)."""

    follower: str
    followed: str
    follows: bool
    version: int

    def __post_init__(self) -> None:
        check_username(self.follower, "follower")
        check_username(self.followed, "followed")
        check_version(self.version)


@dataclass(frozen=True, slots=True)
class Position:
    """The last event that a reader has seen, and the order in which they read."""

    order: Order
    sequence: int

    @property
    def token(self) -> str:
        """The position as a page token: twelve characters that are safe in a URL."""
        tag = self.order.value[:1].encode()
        return urlsafe_b64encode(_TOKEN.pack(tag, self.sequence)).decode()

    @classmethod
    def parse(cls, token: str, order: Order) -> Self:
        """Read a token of pages in this order; raise ``invalid_token`` for any other text."""
        try:
            _tag, sequence = _TOKEN.unpack(urlsafe_b64decode(token.encode()))
            position = cls(order, sequence)
        except (binascii.Error, struct.error, UnicodeEncodeError):
            raise _invalid_token() from None
        # base64 has several spellings of one value; only the one that we hand out is a token.
        if sequence > MAX_SEQUENCE or position.token != token:
            raise _invalid_token()
        return position


@dataclass(frozen=True, slots=True)
class NewsQuery:
    """A page that somebody asks for: what comes ``after`` a sequence, in an order."""

    username: str
    order: Order
    after: int | None
    page_size: int

    @classmethod
    def new(cls, username: str, start_token: str, page_size: int, order: Order) -> Self:
        """Build a query; size 0 is the default size.

        Raise ``missing_username``, ``invalid_username``, ``invalid_token`` or
        ``invalid_page_size``.
        """
        if not username:
            raise errors.InvalidInput("missing_username", "A user name is needed.", "username")
        check_username(username, "username")
        if not 0 <= page_size <= limits.LARGEST_PAGE:
            raise errors.InvalidInput(
                "invalid_page_size", f"A page has 1 to {limits.LARGEST_PAGE} events.", "page_size"
            )
        after = Position.parse(start_token, order).sequence if start_token else None
        return cls(username, order, after, page_size or limits.PAGE_SIZE)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a feed, and the token of what comes after it (empty: nothing more now)."""

    events: tuple[Event, ...]
    next_token: str

    @classmethod
    def of(cls, query: NewsQuery, found: list[tuple[int, Event]]) -> Self:
        """Cut a page from what was found: one event too many tells that there is more."""
        page = found[: query.page_size]
        more = len(found) > len(page)
        token = Position(query.order, page[-1][0]).token if more else ""
        return cls(tuple(event for _, event in page), token)


def check_username(name: str, field: str) -> None:
    """Raise ``invalid_username`` for what no user can be called."""
    if not _USERNAME.fullmatch(name):
        raise errors.InvalidInput("invalid_username", "That is no user name.", field)


def check_text(text: str, field: str) -> str:
    """Return the text; raise ``invalid_event`` if it is too long or cannot be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise errors.InvalidInput("invalid_event", "The text is not Unicode.", field) from None
    if len(text) > MAX_TEXT_LENGTH:
        raise errors.InvalidInput("invalid_event", "The text is too long.", field)
    return text


def check_version(version: int) -> None:
    """Raise ``invalid_event`` for a version that no change can have."""
    if not 1 <= version <= MAX_SEQUENCE:
        raise errors.InvalidInput("invalid_event", "Versions count from 1.", "version")


def _invalid_token() -> errors.InvalidInput:
    return errors.InvalidInput("invalid_token", "That is no token of these pages.", "start_token")
