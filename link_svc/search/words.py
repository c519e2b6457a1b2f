"""The words of a text, and of a link, as they are kept and searched: docs/search.md, ADR 33.

One rule for links and queries, here and not in PostgreSQL: it is the same on every server, whatever
its version, its locale and its dictionaries.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import re2

LONGEST_WORD = 64
_MOST_LABELS = 10  # of a host: for each, all that follows it is kept, too
_LONGEST_HOST = 253

# In front of each lexeme: who may see the link, which the statement puts there (see ``in_sql``),
# and whose it is. So a search reads what its audience may see of one owner's, and nothing else.
SHOWN_TO = "\x01"
# PostgreSQL keeps no more places of a word.
_MOST_PLACES = 256

_ASCII_WORD = re.compile("[a-z0-9]+")
_WORD = re2.compile(r"[\pL\pM\pN]+")
_ACCENT = re.compile("[\u0300-\u036f]")
# Written without spaces: each character is a word, and words become phrases.
_ALONE = re2.compile(r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])")


def fold(text: str) -> str:
    """Return a text without what a search does not mind: case, accents, ligatures, widths."""
    if text.isascii():
        return text.lower()
    plain = _ACCENT.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", plain.casefold())


def words(text: str) -> list[str]:
    """Return the words of a text: runs of letters and digits."""
    folded = fold(text)
    found: list[str] = (
        _ASCII_WORD.findall(folded)
        if folded.isascii()
        else _WORD.findall(_ALONE.sub(r" \1 ", folded))
    )
    return [word[:LONGEST_WORD] for word in found]


def site(host: str) -> str:
    """Return a host as it is searched: with its accents, which make it another one."""
    return unicodedata.normalize("NFKC", host).casefold().strip(".")[:_LONGEST_HOST]


@dataclass(frozen=True, slots=True)
class Text:
    """What a link says, and to whom."""

    owner: str
    url: str
    title: str
    description: str
    tags: Iterable[str]

    def fields(self) -> Iterator[list[str]]:
        """Yield the words of each of its parts; no phrase goes from one to the next."""
        yield words(self.title)
        yield from map(words, self.tags)
        yield words(_readable(self.url))
        yield words(self.description)

    def sites(self) -> Iterator[str]:
        """Yield its host and the domains that this is in."""
        try:
            host = site(urlsplit(self.url).hostname or "")
        except ValueError:  # a URL that an older rule let in
            return
        labels = host.split(".") if host else []
        first = max(0, len(labels) - _MOST_LABELS)
        for place in {0, *range(first, len(labels))} if labels else ():
            yield ".".join(labels[place:])


def tsvector(text: Text) -> str:
    """Return what is kept of a link for searches, as a literal of PostgreSQL's tsvector."""
    mark = prefix(text.owner)
    places: defaultdict[str, list[str]] = defaultdict(list)
    place = 0
    for field in text.fields():
        for word in field:
            place += 1
            places[word].append(str(place))
        place += 1
    parts = [f"'{mark}{word}':{','.join(at[:_MOST_PLACES])}" for word, at in places.items()]
    parts += [quoted(f"{mark}#{tag}") for tag in text.tags]
    parts += [quoted(f"{mark}@{name}") for name in text.sites()]
    return " ".join(parts)


def in_sql(parameter: str, visibility: str) -> str:
    """Return SQL for ``tsvector``'s literal, given as a parameter, and the link's visibility."""
    mark = f"right({visibility}, 1)"
    return f"CAST(replace({parameter}, E'\\x01', {mark}) AS tsvector)"


def prefix(owner: str, visibility: str = "") -> str:
    """Return what is before each lexeme of an owner's links that are seen by the same people."""
    digest = hashlib.blake2b(owner.encode(), digest_size=3).hexdigest()
    return (visibility[-1:] or SHOWN_TO) + digest


def quoted(lexeme: str) -> str:
    """Return a lexeme as it stands in a tsvector or a tsquery."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _readable(url: str) -> str:
    _, _, rest = url.partition("://")
    return unquote(rest) if "%" in rest else rest
