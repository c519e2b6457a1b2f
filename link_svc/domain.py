"""What a link is and the rules that it keeps: plain values, which refuse to be built wrong."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypedDict
from urllib.parse import SplitResult, urlsplit

from chassis.errors import InvalidInput, PreconditionFailed
from contracts.limits import DESCRIPTION_LENGTH, TAG_LENGTH, TAGS, TITLE_LENGTH, URL_LENGTH
from link_svc.visibility import DEFAULT, HIDDEN, Visibility

SCHEMES = ("http", "https", "ftp")

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NOT_IN_A_URL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")  # white space, control characters
_NOT_IN_A_HOST = re.compile(r"[<>\"\\^`{|}]")
_NOT_IN_A_TEXT = re.compile("[\0\ud800-\udfff]")  # PostgreSQL cannot keep them
_NOT_IN_A_TAG = re.compile("[,\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")


# The versions of a link that a change is meant for; None: whatever it is.
Versions = frozenset[str] | None


class Status(StrEnum):
    """What is known of a link's target."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"


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
    version: str


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
        check_text(self.url, "url")
        if not self.url.strip():
            raise InvalidInput("missing_url", "A link needs a URL.", "url")
        check_length(self.url, "url", URL_LENGTH)


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link to add; the title is the URL, and the visibility the owner's, where none is given."""

    key: LinkKey
    title: str = ""
    description: str = ""
    tags: frozenset[str] = frozenset()
    visibility: Visibility | None = None

    def __post_init__(self) -> None:
        check_url(self.key.url)
        check_words(self.title, self.description)
        check_tags(self.tags, "tags")
        object.__setattr__(self, "title", _title(self.title, self.key.url))


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is kept; ``version`` is another after each change."""

    owner: str
    url: str
    title: str
    description: str
    tags: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    status: Status = Status.PENDING
    visibility: Visibility = DEFAULT
    version: str = ""

    def document(self) -> LinkDoc:
        """Return the link as plain JSON values."""
        return {
            "url": self.url,
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
            "status": self.status.value,
            "visibility": self.visibility.value,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "version": self.version,
        }

    def told(self, event_type: str) -> LinkDoc | dict[str, str]:
        """Return what an event tells of the link: its URL alone, where it is hidden."""
        return {"url": self.url} if event_type == HIDDEN else self.document()


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change in a link: None leaves a field as it is, an empty text resets it."""

    key: LinkKey
    title: str | None = None
    description: str | None = None
    add_tags: frozenset[str] = frozenset()
    remove_tags: frozenset[str] = frozenset()
    visibility: Visibility | None = None

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
            visibility=self.visibility or link.visibility,
        )


def check_version(link: Link, versions: Versions) -> None:
    """Raise link_changed if the link is as none of the versions that the caller knows."""
    if versions is not None and link.version not in versions:
        message = "The link has changed since you read it."
        raise PreconditionFailed("link_changed", message, "If-Match")


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
    if _NOT_IN_A_URL.search(url):
        raise InvalidInput("invalid_url", "A URL has no spaces or control characters.", "url")
    try:
        good = _has_host(urlsplit(url))
    except ValueError:  # half an IPv6 address, a port that is none, a host that folds to another
        good = False
    if not good:
        raise InvalidInput("invalid_url", message, "url")


def check_text(text: str, field: str) -> None:
    """Raise invalid_text for NUL and halves of surrogate pairs."""
    if _NOT_IN_A_TEXT.search(text):
        raise InvalidInput("invalid_text", f"{field} holds characters that are none.", field)


def check_words(title: str, description: str) -> None:
    """Raise invalid_text, title_too_long or description_too_long."""
    check_text(title, "title")
    check_length(title, "title", TITLE_LENGTH)
    check_text(description, "description")
    check_length(description, "description", DESCRIPTION_LENGTH)


def check_tags(tags: Iterable[str], field: str) -> None:
    """Raise invalid_tag or too_many_tags, naming the field."""
    for tag in tags:
        if not _is_tag(tag):
            message = f"A tag has 1 to {TAG_LENGTH} characters, no comma, no control characters."
            raise InvalidInput("invalid_tag", message, field)
    _check_count(tags, field)


def _is_tag(tag: str) -> bool:
    return 0 < len(tag) <= TAG_LENGTH and tag == tag.strip() and not _NOT_IN_A_TAG.search(tag)


def _check_count(tags: Iterable[str], field: str) -> None:
    if len(set(tags)) > TAGS:
        raise InvalidInput("too_many_tags", f"A link has at most {TAGS} tags.", field)


def _has_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    _ = parts.port  # raises ValueError where it is no port
    return parts.scheme in SCHEMES and bool(host) and not _NOT_IN_A_HOST.search(host)


def check_length(text: str, field: str, limit: int) -> None:
    """Raise FIELD_too_long."""
    if len(text) > limit:
        message = f"{field} is longer than {limit} characters."
        raise InvalidInput(f"{field}_too_long", message, field)


def _title(title: str, url: str) -> str:
    return title if title.strip() else url[:TITLE_LENGTH]


def rfc3339(time: datetime) -> str:
    """Return a time as JSON has it."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
