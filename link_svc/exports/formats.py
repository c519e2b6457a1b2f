"""What a file of links looks like: what is written here, ``link_svc.imports`` reads.

A file is a head, a piece of text for each link, and a foot; it is made in parts, cut between links.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from chassis.errors import InvalidInput
from link_svc.domain import rfc3339

_JSON = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# White space that a reader of HTML would take for one space, or for none at an end.
_FOLDED = re.compile(r"[\t\n\f\r]|^ | $|(?<= ) ")


@dataclass(frozen=True)
class Format:
    """A kind of file; ``link`` writes a row of a link."""

    link: Callable[[Any], str]
    head: str = ""
    foot: str = ""


def named(name: str) -> Format:
    """Return a format by its name; raise ``invalid_format``."""
    found = _FORMATS.get(name) if isinstance(name, str) else None
    if found is None:
        names = " or ".join(_FORMATS)
        raise InvalidInput("invalid_format", f"format is {names}.", "format")
    return found


def bookmark(row: Any) -> str:
    """Write a link as browsers and bookmark services do: the Netscape format.

    ``VISIBILITY`` is ours: PRIVATE, which others know too, cannot tell followers from everybody.
    """
    written = (
        f'<DT><A HREF="{_attribute(row.url)}" ADD_DATE="{_seconds(row.created_at)}"'
        f' LAST_MODIFIED="{_seconds(row.updated_at)}"'
        f' PRIVATE="{int(row.visibility == "private")}" VISIBILITY="{row.visibility}"'
        f' TAGS="{_attribute(",".join(row.tags))}">{_text(row.title)}</A>\n'
    )
    return f"{written}<DD>{_text(row.description)}\n" if row.description else written


def line(row: Any) -> str:
    """Write a link as the public API shows it, as a line of JSON."""
    document = {
        "Url": row.url,
        "Title": row.title,
        "Description": row.description,
        "Tags": dict.fromkeys(row.tags, True),
        "Status": row.status,
        "Visibility": row.visibility,
        "CreatedAt": _moment(row.created_at),
        "UpdatedAt": _moment(row.updated_at),
        "Version": f"{row.id}-{row.revision}",
    }
    return orjson.dumps(document, None, _JSON).decode()


def _moment(time: datetime) -> datetime | str:
    """Return what becomes a time as the API shows it; orjson writes it sooner, but no zeros."""
    time = time.astimezone(UTC)
    return time if time.microsecond else rfc3339(time)


def _seconds(time: datetime) -> int:
    return int((time - _EPOCH).total_seconds())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _attribute(text: str) -> str:
    return _escaped(text).replace('"', "&quot;")


def _text(text: str) -> str:
    text = _escaped(text)
    # Mostly there is nothing to look for, and to find that out so is quicker.
    if text.isprintable() and "  " not in text and text == text.strip(" "):
        return text
    return _FOLDED.sub(lambda found: f"&#{ord(found[0])};", text)


_FORMATS = {
    "html": Format(
        bookmark,
        "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n"
        '<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">\n'
        "<TITLE>Bookmarks</TITLE>\n<H1>Bookmarks</H1>\n<DL><p>\n",
        "</DL><p>\n",
    ),
    "jsonl": Format(line),
}
