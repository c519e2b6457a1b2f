"""What a link is and the rules that it keeps: plain values, which refuse to be built wrong."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypedDict
from urllib.parse import SplitResult, urlsplit

import re2

from chassis.errors import InvalidInput

URL_LENGTH = 2048
TITLE_LENGTH = 512
DESCRIPTION_LENGTH = 4096
TAG_LENGTH = 64
TAGS = 32
REGEX_LENGTH = 256
PAGE_SIZE = 10
PAGE_SIZES = range(1, 101)
SCHEMES = ("http", "https", "ftp")

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NOT_IN_A_HOST = re.compile(r"[<>\"\\^`{|}]")
_NOT_IN_A_TEXT = re.compile("[\0\ud800-\udfff]")  # PostgreSQL cannot keep them

# No captures: "is it there?" is answered by the fast automaton. The memory bounds the size of the
# compiled pattern too, and with it the slowest search: 0.2 s in a description of full length.
_RE2 = re2.Options()
_RE2.never_capture = True
_RE2.log_errors = False
_RE2.max_mem = 1 << 20


class Status(StrEnum):
    """What is known of a link's target."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"


class Visibility(StrEnum):
    """Who may see a link."""

    FOLLOWERS = "followers"


class Order(StrEnum):
    """The order of a listing, by the time of adding."""

    OLDEST = "oldest"
    NEWEST = "newest"


class LinkDoc(TypedDict):
    """A link as everyone else sees it, in replies and in events; times are RFC 3339 in UTC."""

    url: str
    title: str
    description: str
    tags: list[str]
    status: str
    visibility: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class LinkKey:
    """What names a link: its owner and its exact URL.

    The URL need not be one that could be added today: a link that an older rule let in must
    stay within reach of its owner.
    """

    owner: str
    url: str

    def __post_init__(self) -> None:
        check_owner(self.owner)
        _check_text(self.url, "url")
        if not self.url.strip():
            raise InvalidInput("missing_url", "A link needs a URL.", "url")
        _check_length(self.url, "url", URL_LENGTH)


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link to add; the title is the URL where none is given."""

    key: LinkKey
    title: str = ""
    description: str = ""
    tags: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_url(self.key.url)
        check_words(self.title, self.description)
        check_tags(self.tags, "tags")
        object.__setattr__(self, "title", _title(self.title, self.key.url))


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is kept."""

    owner: str
    url: str
    title: str
    description: str
    tags: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    status: Status = Status.PENDING
    visibility: Visibility = Visibility.FOLLOWERS

    def document(self) -> LinkDoc:
        """Return the link as plain JSON values."""
        return {
            "url": self.url,
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
            "status": self.status.value,
            "visibility": self.visibility.value,
            "created_at": _rfc3339(self.created_at),
            "updated_at": _rfc3339(self.updated_at),
        }


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change in a link: None leaves a field as it is, an empty text resets it."""

    key: LinkKey
    title: str | None = None
    description: str | None = None
    add_tags: frozenset[str] = frozenset()
    remove_tags: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_words(self.title or "", self.description or "")
        check_tags(self.add_tags, "add_tags")
        check_tags(self.remove_tags, "remove_tags")

    def apply(self, link: Link) -> Link:
        """Return the link changed; a tag both removed and added stays. Raise too_many_tags."""
        tags = (frozenset(link.tags) - self.remove_tags) | self.add_tags
        _check_count(tags, "add_tags")
        return replace(
            link,
            title=link.title if self.title is None else _title(self.title, link.url),
            description=link.description if self.description is None else self.description,
            tags=tuple(sorted(tags)),
        )


@dataclass(frozen=True, slots=True)
class Pattern:
    """An RE2 expression that must be found somewhere in one part of a link: its url, title or
    description."""

    part: str
    text: str
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = f"{self.part}_regex"
        _check_text(self.text, name)
        if len(self.text) > REGEX_LENGTH:
            message = f"{name} is longer than {REGEX_LENGTH} characters."
            raise InvalidInput("regex_too_long", message, name)
        try:
            object.__setattr__(self, "_compiled", re2.compile(self.text, _RE2))
        except re2.error:
            message = f"{name} is not a regular expression that RE2 accepts."
            raise InvalidInput("invalid_regex", message, name) from None

    def matches(self, link: Link) -> bool:
        """Say whether the link's field contains the expression."""
        return self._compiled.search(getattr(link, self.part)) is not None


@dataclass(frozen=True, slots=True)
class Position:
    """The sort key of the last row that a page has shown."""

    created_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Query:
    """Which of an owner's links to list: those with all the tags that match all the patterns."""

    owner: str
    patterns: tuple[Pattern, ...] = ()
    tags: frozenset[str] = frozenset()
    order: Order = Order.OLDEST
    page_size: int = PAGE_SIZE
    after: Position | None = None

    def __post_init__(self) -> None:
        check_owner(self.owner)
        check_tags(self.tags, "tag")
        if self.page_size not in PAGE_SIZES:
            message = f"page_size is a whole number from 1 to {PAGE_SIZES[-1]}."
            raise InvalidInput("invalid_page_size", message, "page_size")

    def matches(self, link: Link) -> bool:
        """Say whether a link of the owner belongs to the listing."""
        return self.tags.issubset(link.tags) and all(p.matches(link) for p in self.patterns)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing; ``next`` is None on the last."""

    links: list[Link]
    next: Position | None


def check_owner(name: str) -> None:
    """Raise missing_username or invalid_username: the name is part of the subject of events."""
    if not name:
        raise InvalidInput("missing_username", "Whose links?", "username")
    if not _USERNAME.fullmatch(name):
        message = "A user name has letters, digits, - and _, at most 64."
        raise InvalidInput("invalid_username", message, "username")


def check_url(url: str) -> None:
    """Raise invalid_url unless it is an absolute URL that one of our schemes can fetch."""
    message = f"A URL looks like https://example.com/page ({', '.join(SCHEMES)})."
    # urlsplit drops some of these without a word.
    if any(letter.isspace() or unicodedata.category(letter) == "Cc" for letter in url):
        raise InvalidInput("invalid_url", "A URL has no spaces or control characters.", "url")
    try:
        good = _has_host(urlsplit(url))
    except ValueError:  # half an IPv6 address, a port that is none, a host that folds to another
        good = False
    if not good:
        raise InvalidInput("invalid_url", message, "url")


def check_words(title: str, description: str) -> None:
    """Raise invalid_text, title_too_long or description_too_long."""
    _check_text(title, "title")
    _check_length(title, "title", TITLE_LENGTH)
    _check_text(description, "description")
    _check_length(description, "description", DESCRIPTION_LENGTH)


def check_tags(tags: Iterable[str], field: str) -> None:
    """Raise invalid_tag or too_many_tags, naming the field."""
    for tag in tags:
        if not _is_tag(tag):
            message = f"A tag has 1 to {TAG_LENGTH} characters, no comma, no control characters."
            raise InvalidInput("invalid_tag", message, field)
    _check_count(tags, field)


def _is_tag(tag: str) -> bool:
    return (
        0 < len(tag) <= TAG_LENGTH
        and tag == tag.strip()
        and "," not in tag
        and not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in tag)
    )


def _check_count(tags: Iterable[str], field: str) -> None:
    if len(set(tags)) > TAGS:
        raise InvalidInput("too_many_tags", f"A link has at most {TAGS} tags.", field)


def _has_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    _ = parts.port  # raises ValueError where it is no port
    return parts.scheme in SCHEMES and bool(host) and not _NOT_IN_A_HOST.search(host)


def _check_text(text: str, field: str) -> None:
    if _NOT_IN_A_TEXT.search(text):
        raise InvalidInput("invalid_text", f"{field} holds characters that are none.", field)


def _check_length(text: str, field: str, limit: int) -> None:
    if len(text) > limit:
        message = f"{field} is longer than {limit} characters."
        raise InvalidInput(f"{field}_too_long", message, field)


def _title(title: str, url: str) -> str:
    return title if title.strip() else url[:TITLE_LENGTH]


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
