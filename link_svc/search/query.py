"""What a search asks for: a tree of conditions, which prints as the query that says it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from link_svc.search.words import words

OPERATORS = ("and", "or", "not")


@dataclass(frozen=True, slots=True)
class Words:
    """These words, one after the other; with ``begins``, the last may go on."""

    words: tuple[str, ...]
    begins: bool = False

    def __str__(self) -> str:
        text = " ".join(self.words)
        plain = len(self.words) == 1 and text not in OPERATORS
        return (text if plain else f'"{text}"') + "*" * self.begins


@dataclass(frozen=True, slots=True)
class Tag:
    """This tag, exactly."""

    name: str

    def __str__(self) -> str:
        escaped = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'#"{escaped}"'


@dataclass(frozen=True, slots=True)
class Site:
    """A URL at this host, or one below it."""

    host: str

    def __str__(self) -> str:
        return f'site:"{self.host}"'


@dataclass(frozen=True, slots=True)
class Before:
    """Added before this day began, in UTC."""

    day: date

    def __str__(self) -> str:
        return f"before:{self.day}"


@dataclass(frozen=True, slots=True)
class After:
    """Added on this day, in UTC, or later."""

    day: date

    def __str__(self) -> str:
        return f"after:{self.day}"


@dataclass(frozen=True, slots=True)
class Not:
    """Not this."""

    node: "Node"

    def __str__(self) -> str:
        return f"-{_inner(self.node)}"


@dataclass(frozen=True, slots=True)
class And:
    """All of these."""

    nodes: tuple["Node", ...]

    def __str__(self) -> str:
        return " ".join(map(_inner, self.nodes))


@dataclass(frozen=True, slots=True)
class Or:
    """One of these, or several."""

    nodes: tuple["Node", ...]

    def __str__(self) -> str:
        return " or ".join(map(_inner, self.nodes))


Leaf = Words | Tag | Site | Before | After
Node = Leaf | Not | And | Or


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the conditions of a query that have no parts."""
    if isinstance(node, Not):
        yield from leaves(node.node)
    elif isinstance(node, And | Or):
        for each in node.nodes:
            yield from leaves(each)
    else:
        yield node


def dated(node: Node) -> bool:
    """Say whether a query asks for a time anywhere."""
    return any(isinstance(leaf, Before | After) for leaf in leaves(node))


def of_text(text: str, *, begins: bool = False) -> Words | None:
    """Return the condition that a text is found; None: it has no words."""
    found = tuple(words(text))
    return Words(found, begins) if found else None


def _inner(node: Node) -> str:
    return f"({node})" if isinstance(node, And | Or) else str(node)
