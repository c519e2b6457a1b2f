"""Reads files in the Netscape bookmark format, which all browsers and bookmark services export.

The format is no proper HTML (``<DT>`` and ``<DD>`` are never closed), and every program writes it
a little differently: whatever is not a bookmark is passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TextIO

SAMPLE = Path(__file__).with_name("data") / "bookmarks.html"
CHUNK = 1 << 16
LONGEST_TEXT = 10_000  # of a title or description: a file that never ends one must not fill memory
MILLISECONDS_FROM = 100_000_000_000  # the year 5138 in seconds, 1973 in milliseconds
ENDS_A_BOOKMARK = {"a", "dt", "dl", "h1", "h2", "h3"}

Attributes = list[tuple[str, str | None]]


@dataclass(frozen=True)
class Bookmark:
    """One bookmark, as it stands in the file."""

    url: str
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    added: datetime | None = None
    private: bool = False
    to_read: bool = False


def read(path: Path) -> Iterator[Bookmark]:
    """Read a file's bookmarks one by one; raise OSError."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        yield from parse(file)


def parse(file: TextIO, chunk: int = CHUNK) -> Iterator[Bookmark]:
    """Read the bookmarks of an open file, which is never in memory as a whole."""
    parser = _Parser()
    while text := file.read(chunk):
        parser.feed(text)
        yield from parser.take()
    parser.close()
    yield from parser.take()


class _Parser(HTMLParser):
    """Collects bookmarks: a link with its text, and the text after ``<DD>`` that follows it."""

    def __init__(self) -> None:
        super().__init__()
        self._done: list[Bookmark] = []
        self._link: Attributes = []
        self._title = _Text()
        self._description = _Text()
        self._open: _Text | None = None

    def take(self) -> list[Bookmark]:
        """Return the bookmarks that are complete, once."""
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        """Take what is left for the end of the last bookmark."""
        super().close()
        self._finish()

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if tag in ENDS_A_BOOKMARK:
            self._finish()
        if tag == "a":
            self._link, self._open = attrs, self._title
        elif tag == "dd":
            self._open = self._description

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None
        elif tag == "dl":
            self._finish()

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.add(data)

    def parse_html_declaration(self, i: int) -> int:
        # html.parser (Python 3.11) gives up with an AssertionError at "<![x": pass over it, too.
        if self.rawdata.startswith("<!--", i):
            return self.parse_comment(i)
        return self.parse_bogus_comment(i)

    def _finish(self) -> None:
        link = {name: value or "" for name, value in self._link}
        if link.get("href", "").strip():
            self._done.append(_bookmark(link, self._title.take(), self._description.take()))
        self._link, self._open = [], None
        self._title, self._description = _Text(), _Text()


class _Text:
    """A text that arrives in pieces."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = LONGEST_TEXT

    def add(self, piece: str) -> None:
        """Add a piece, as far as there is room."""
        if self._room > 0:
            self._pieces.append(piece[: self._room])
            self._room -= len(piece)

    def take(self) -> str:
        """Return the text in one line."""
        return " ".join("".join(self._pieces).split())


def _bookmark(link: dict[str, str], title: str, description: str) -> Bookmark:
    names = (name.strip() for name in link.get("tags", "").split(","))
    return Bookmark(
        url=link["href"].strip(),
        title=title,
        description=description,
        tags=tuple(dict.fromkeys(name for name in names if name)),
        added=_time(link.get("add_date", "")),
        private=link.get("private") == "1",
        to_read=link.get("toread") == "1",
    )


def _time(text: str) -> datetime | None:
    """Return a time that is given in seconds since 1970, or in milli- or microseconds."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    seconds = float(text)
    while seconds >= MILLISECONDS_FROM:
        seconds /= 1000
    return datetime.fromtimestamp(seconds, UTC)
