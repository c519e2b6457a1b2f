"""One link of a file, made to fit: what only adorns it is cut, and no reason to refuse it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.limits import DESCRIPTION_LENGTH, TAG_LENGTH, TAGS, TITLE_LENGTH

MILLISECONDS_FROM = 100_000_000_000  # the year 5138 in seconds, 1973 in milliseconds

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_NO_TAG = re.compile("[,\0-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """A link as it stands in a file."""

    url: str
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    added: datetime | None = None
    visibility: str = ""  # empty: whatever is the rule

    def document(self, visibility: str) -> dict[str, Any]:
        """Return what there is to add, with a visibility where it has none of its own."""
        return {
            "url": self.url,
            "title": _fitted(self.title, TITLE_LENGTH),
            "description": _fitted(self.description, DESCRIPTION_LENGTH),
            "tags": _tags(self.tags),
            "visibility": self.visibility or visibility,
        }


def moment(text: str) -> datetime | None:
    """Return a time of the past: RFC 3339, or seconds since 1970, or milli- or microseconds."""
    try:
        found = _of_digits(text) if text.isdigit() else datetime.fromisoformat(text)
        return found if found.tzinfo and found <= datetime.now(UTC) else None
    except (ValueError, OverflowError):
        return None


def _of_digits(text: str) -> datetime:
    if not text.isascii() or len(text) > 18 or not text.strip("0"):
        raise ValueError("no time")
    seconds = float(text)
    while seconds >= MILLISECONDS_FROM:
        seconds /= 1000
    return datetime.fromtimestamp(seconds, UTC)


def _fitted(text: str, most: int) -> str:
    return _NO_TEXT.sub("\ufffd", text)[:most]


def _tags(names: Iterable[str]) -> list[str]:
    fitting = (_NO_TAG.sub(" ", name).strip()[:TAG_LENGTH].strip() for name in names)
    return list(dict.fromkeys(filter(None, fitting)))[:TAGS]
