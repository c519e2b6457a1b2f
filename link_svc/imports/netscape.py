"""The Netscape bookmark format, which all browsers and bookmark services export.

It is no proper HTML (``<DT>`` and ``<DD>`` are never closed), and every program writes it a little
differently: whatever is not a bookmark is passed over. A folder's name is a tag of what is in it.
"""

import re
from collections.abc import Iterator
from html import unescape

from contracts.limits import DESCRIPTION_LENGTH
from link_svc.imports.entry import Entry, moment
from link_svc.visibility import Visibility

# Longer ones are no tags, and their characters text that nobody wants; pictures may be long.
_LONGEST_TAG = 262_144
_LONGEST_TEXT = 8 * DESCRIPTION_LENGTH  # a character may be written as &#x27;
_MOST_FOLDERS = 64

# Each tag is looked for from one < to the next, and each quote from one to the next: no character
# is looked at more than some times.
_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>"
)
_ATTRIBUTE = re.compile(r"([a-zA-Z_-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
# What HTML takes for one space; a reference (&#10;) stands for itself, and so does any other space.
_WHITE = " \t\n\f\r"
_SPACES = re.compile(f"[{_WHITE}]+")
# Where browsers keep what nobody put into a folder.
_ROOTS = ("personal_toolbar_folder", "unfiled_bookmarks_folder")


def read(texts: Iterator[str]) -> Iterator[Entry]:
    """Read the bookmarks of a file that comes in pieces."""
    reader, left = _Reader(), ""
    for text in texts:
        left += text
        place = 0
        # What comes last may be the beginning of a tag, of which the rest is still to come.
        for tag in _TAG.finditer(left):
            yield from reader.take(left[place : tag.start()], tag)
            place = tag.end()
        start = left.find("<", place)
        start = len(left) if start < 0 else start
        reader.text(left[place:start])
        left = left[start:] if len(left) - start <= _LONGEST_TAG else ""
    yield from reader.finish()


class _Reader:
    """Where in the file we are: in which folders, and in the middle of which bookmark."""

    def __init__(self) -> None:
        self._folders: list[str] = []
        self._named = ""
        self._link: dict[str, str] | None = None
        self._texts: dict[str, list[str]] = {}
        self._room = 0
        self._open = ""

    def text(self, text: str) -> None:
        """Take what stands between two tags."""
        if self._open and self._room > 0:
            self._texts.setdefault(self._open, []).append(text[: self._room])
            self._room -= len(text)

    def take(self, text: str, tag: re.Match[str]) -> Iterator[Entry]:
        """Take a text and the tag after it; yield the bookmark that ends there."""
        self.text(text)
        name = tag["name"].lower()
        if tag["end"]:
            yield from self._ended(name)
        elif name in ("a", "dt", "dl", "h3"):
            yield from self.finish()
            self._began(name, tag["rest"])
        elif name == "dd" and self._link is not None:
            self._listen("dd")

    def finish(self) -> Iterator[Entry]:
        """Yield the bookmark that was under way."""
        link, self._link, self._open = self._link, None, ""
        if link is None or not link.get("href", "").strip():
            return
        own = link.get("tags", "").split(",")
        yield Entry(
            url=link["href"].strip(),
            title=self._words("a"),
            description=self._words("dd"),
            tags=(*own, *self._folders),
            added=moment(link.get("add_date", "").strip()),
            visibility=_visibility(link),
        )

    def _began(self, name: str, rest: str) -> None:
        if name == "dl":
            if len(self._folders) < _MOST_FOLDERS:
                self._folders.append(self._named)
            self._named = ""
        elif name == "a":
            self._link = _attributes(rest)
            self._listen("a", anew=True)
        elif name == "h3":
            root = any(each in _attributes(rest) for each in _ROOTS)
            self._listen("" if root else "h3", anew=True)

    def _ended(self, name: str) -> Iterator[Entry]:
        if name == "dl":
            yield from self.finish()
            if self._folders:
                self._folders.pop()
        elif name == "h3":
            self._named, self._open = self._words("h3"), ""
        elif name == "a":
            self._open = ""

    def _listen(self, name: str, anew: bool = False) -> None:
        if anew:
            self._texts = {}
        self._open, self._room = name, _LONGEST_TEXT

    def _words(self, name: str) -> str:
        return unescape(_SPACES.sub(" ", "".join(self._texts.get(name, ()))).strip(_WHITE))


def _visibility(link: dict[str, str]) -> str:
    """Return what the file says of it: by the word that all know, or by one of ours."""
    if link.get("private") == "1":
        return Visibility.PRIVATE
    ours = link.get("visibility", "")
    return ours if ours in tuple(Visibility) else ""


def _attributes(rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, *values in _ATTRIBUTE.findall(rest):
        found.setdefault(name.lower(), unescape("".join(values)))
    return found
