"""The language of queries: docs/search.md says what it means, ADR 33 why.

    query   := part ("or" part)*
    part    := term (["and"] term)*
    term    := ("-" | "not") term | "(" query ")" | "text"["*"] | #tag | field:value | word["*"]

A mistake is an InvalidInput that names where it is, counted in characters from 1.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from chassis.errors import InvalidInput
from contracts.limits import QUERY_DEPTH, QUERY_LENGTH, QUERY_TERMS, TAG_LENGTH
from link_svc import domain
from link_svc.search.query import (
    OPERATORS,
    After,
    And,
    Before,
    Leaf,
    Node,
    Not,
    Or,
    Site,
    Tag,
    Words,
    of_text,
)
from link_svc.search.words import site

SHORTEST_BEGINNING = 2  # letters before a *

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<open>\() | (?P<close>\)) |
        (?P<minus>-) |
        (?P<field>[A-Za-z]+:(?![/:])|\#)? (?:
            "(?P<quoted>(?:[^"\\]|\\.)*)(?P<end>"?)(?P<star>\*?) |
            (?P<plain>[^\s()"]+)
        )? )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", re.ASCII)


def parse(text: str) -> Node:
    """Parse a query; raise invalid_query or q_too_long."""
    domain.check_text(text, "q")
    domain.check_length(text, "q", QUERY_LENGTH)
    return _Parser(text).parse()


class _Token(NamedTuple):
    kind: str  # open, close, minus, and, or, not, or term
    at: int
    field: str = ""
    text: str = ""
    quoted: bool = False
    begins: bool = False


@dataclass
class _Parser:
    """One query: a token at a time, each looked at once."""

    text: str
    at: int = 0
    depth: int = 0
    terms: int = 0

    def parse(self) -> Node:
        self.token = self._next()
        if self.token is None:
            raise _wrong("it is empty", 0)
        node = self._query()
        if self.token is not None:
            raise _wrong("this bracket closes none", self.token.at)
        return node

    def _query(self) -> Node:
        return _joined(Or, self._parts(self._part, "or"))

    def _part(self) -> Node:
        terms = [self._term()]
        while self.token and self.token.kind not in ("or", "close"):
            self._take("and")
            terms.append(self._term())
        return _joined(And, terms)

    def _parts(self, one: Callable[[], Node], operator: str) -> list[Node]:
        nodes = [one()]
        while self._take(operator):
            nodes.append(one())
        return nodes

    def _term(self) -> Node:
        token = self.token
        if token is None:
            raise _wrong("something is missing at its end", len(self.text))
        if token.kind in ("and", "or", "close"):
            raise _wrong("something is missing before this", token.at)
        self.token = self._next()
        if token.kind == "term":
            return self._leaf(token)
        self.depth += 1
        if self.depth > QUERY_DEPTH:
            raise _wrong(f"brackets and negations go {QUERY_DEPTH} deep at most", token.at)
        node = self._bracket(token) if token.kind == "open" else Not(self._term())
        self.depth -= 1
        return node

    def _bracket(self, opening: _Token) -> Node:
        node = self._query() if not self._at("close") else None
        if node is None:
            raise _wrong("nothing is in these brackets", opening.at)
        if not self._take("close"):
            raise _wrong("this bracket is not closed", opening.at)
        return node

    def _leaf(self, token: _Token) -> Leaf:
        leaf = _LEAVES[token.field](token) if token.field in _LEAVES else None
        if leaf is None:
            names = ", ".join(name for name in _LEAVES if name[1:])
            message = f'there is no {token.field}; there are {names}, and "{token.field}" is words'
            raise _wrong(message, token.at)
        self.terms += len(leaf.words) if isinstance(leaf, Words) else 1
        if self.terms > QUERY_TERMS:
            raise _wrong(f"it has more than {QUERY_TERMS} words", token.at)
        return leaf

    def _at(self, kind: str) -> bool:
        return self.token is not None and self.token.kind == kind

    def _take(self, kind: str) -> bool:
        found = self._at(kind)
        if found:
            self.token = self._next()
        return found

    def _next(self) -> _Token | None:
        match = _TOKEN.match(self.text, self.at)
        assert match is not None  # every part of it may be empty
        if match.end() == match.start() + len(match[0]) - len(match[0].lstrip()):
            if self.text[self.at :].strip():
                raise _wrong("this cannot be read", match.end())
            return None
        self.at = match.end()
        return _token(match)


def _token(match: "re.Match[str]") -> _Token:
    at = match.end() - len(match[0].lstrip())
    for kind in ("open", "close", "minus"):
        if match[kind]:
            return _Token(kind, at)
    field, plain = (match["field"] or "").lower(), match["plain"] or ""
    if match["quoted"] is not None:
        if not match["end"]:
            raise _wrong('this " has no end', match.start("quoted") - 1)
        text = _ESCAPE.sub(r"\1", match["quoted"])
        return _Token("term", at, field, text, quoted=True, begins=bool(match["star"]))
    if not field and plain.lower() in OPERATORS:
        return _Token(plain.lower(), at)
    begins = plain.endswith("*") and not field
    return _Token("term", at, field, plain.removesuffix("*") if begins else plain, begins=begins)


def _words(token: _Token) -> Words:
    found = of_text(token.text, begins=token.begins)
    if found is None:
        raise _wrong("there is no letter or digit in this", token.at)
    if found.begins and len(found.words[-1]) < SHORTEST_BEGINNING:
        raise _wrong(f"a * follows {SHORTEST_BEGINNING} letters or more", token.at)
    return found


def _tag(token: _Token) -> Tag:
    name = token.text.strip()
    if token.begins or not name or len(name) > TAG_LENGTH:
        raise _wrong("this is no tag", token.at)
    return Tag(name)


def _site(token: _Token) -> Site:
    host = site(token.text)
    if token.begins or not host or any(letter in "/?#@" or letter.isspace() for letter in host):
        raise _wrong("this is no host, such as site:example.org", token.at)
    return Site(host)


def _day(token: _Token) -> date:
    match = None if token.begins else _DATE.fullmatch(token.text)
    try:
        if match is None:
            raise ValueError
        return date(*(int(part or 1) for part in match.groups()))
    except ValueError:
        message = f"this is no date, such as {token.field}2024-01-31"
        raise _wrong(message, token.at) from None


_LEAVES: dict[str, Callable[[_Token], Leaf]] = {
    "": _words,
    "#": _tag,
    "site:": _site,
    "before:": lambda token: Before(_day(token)),
    "after:": lambda token: After(_day(token)),
}


def _joined(kind: type[And] | type[Or], nodes: list[Node]) -> Node:
    """Join conditions; what is joined likewise already, in brackets, is no other thing."""
    flat: list[Node] = []
    for node in nodes:
        flat.extend(node.nodes if isinstance(node, kind) else [node])
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _wrong(what: str, at: int) -> InvalidInput:
    return InvalidInput("invalid_query", f"q: {what} (character {at + 1}).", "q")
