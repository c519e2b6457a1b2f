"""What stands in a file of links: the bookmarks of a browser, or our own export, line by line.

A file comes in pieces, cut anywhere, and is never in memory as a whole. Whatever it holds, it is
read in a time that grows with its length alone.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from link_svc.imports import netscape
from link_svc.imports.entry import Entry, moment

LONGEST_LINE = 65_536


@dataclass(frozen=True)
class Unreadable:
    """A place in the file that is no link."""

    number: int


def read(pieces: Iterable[bytes]) -> Iterator[Entry | Unreadable]:
    """Read a file, in either format: what begins with a brace is JSON lines."""
    texts = _texts(pieces)
    first = ""
    for text in texts:
        first += text
        if first.strip():
            break
    rest = _chain(first, texts)
    return _lines(rest) if first.lstrip().startswith("{") else netscape.read(rest)


def _texts(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    for piece in pieces:
        yield decoder.decode(piece).replace("\0", "")
    yield decoder.decode(b"", final=True)


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _lines(texts: Iterator[str]) -> Iterator[Entry | Unreadable]:
    number, left = 0, ""
    for text in texts:
        *whole, left = (left + text).split("\n")
        left = left[: LONGEST_LINE + 1]
        for line in whole:
            number += 1
            if line.strip():
                yield _entry(line) or Unreadable(number)
    if left.strip():
        yield _entry(left) or Unreadable(number + 1)


def _entry(line: str) -> Entry | None:
    """Read a link as the API shows it."""
    try:
        found = json.loads(line) if len(line) <= LONGEST_LINE else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("Url"), str):
        return None
    return Entry(
        url=found["Url"].strip(),
        title=_text(found.get("Title")),
        description=_text(found.get("Description")),
        tags=tuple(map(str, found["Tags"])) if isinstance(found.get("Tags"), dict | list) else (),
        added=moment(_text(found.get("CreatedAt"))),
        visibility=_text(found.get("Visibility")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
