"""A search as SQL: what must hold of a row, and what of that the index of words can answer."""

from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import Any

from link_svc.search.literals import Choice
from link_svc.search.query import After, And, Before, Leaf, Node, Not, Or, Site, Tag, Words, dated
from link_svc.search.words import prefix, quoted

Values = dict[str, Any]


class Conditions:
    """The SQL for one owner's links, with its parameters in ``values``.

    Each word is looked for once for each visibility that may be seen.
    """

    def __init__(self, owner: str, visibilities: Iterable[str], values: Values) -> None:
        self._marks = [prefix(owner, visibility) for visibility in sorted(visibilities)]
        self._values = values
        self._names: dict[Any, str] = {}

    def exact(self, node: Node) -> str:
        """Return what holds of the rows that are asked for, and of no others."""
        if isinstance(node, Before | After):
            began = datetime.combine(node.day, time(), UTC)
            return f"created_at {'<' if isinstance(node, Before) else '>='} {self._value(began)}"
        if isinstance(node, Not) and dated(node):
            return f"NOT {self.exact(node.node)}"
        if isinstance(node, And | Or) and dated(node):
            word = " AND " if isinstance(node, And) else " OR "
            return f"({word.join(map(self.exact, node.nodes))})"
        return self._matches(node)

    def indexed(self, node: Node) -> str:
        """Return what holds of them, and perhaps of more, by the index; nothing: of too many."""
        wider = _without_dates(node)
        return self._matches(wider) if wider and _needs_a_word(wider) else ""

    def _matches(self, node: Node) -> str:
        # As a value that the planner doesn't see. To look the words up among the most common ones
        # of everybody's links would take it half a millisecond, and tell it nothing of the owner's.
        return f"words @@ (SELECT CAST({self._value(self._tsquery(node))} AS tsquery))"

    def _value(self, value: Any) -> str:
        name = self._names.setdefault(value, f"search_{len(self._names)}")
        self._values[name] = value
        return f"%({name})s"

    def _tsquery(self, node: Node) -> str:
        if isinstance(node, Not):
            return f"!{self._tsquery(node.node)}"
        if isinstance(node, And | Or):
            operator = " & " if isinstance(node, And) else " | "
            return f"({operator.join(map(self._tsquery, node.nodes))})"
        return f"({' | '.join(_lexemes(node, mark) for mark in self._marks)})"


def contains(part: str, choices: Iterable[Choice], values: Values) -> list[str]:
    """Return the SQL for texts of which a part of a link has to contain one each."""
    conditions = []
    for choice in choices:
        found = []
        for literal in sorted(choice, key=lambda each: (each.text, each.folded)):
            name = f"literal_{len(values)}"
            values[name] = literal.text
            # By this collation, A to Z alone have another case.
            where = f'lower({part} COLLATE "C")' if literal.folded else part
            found.append(f"strpos({where}, %({name})s) > 0")
        conditions.append(f"({' OR '.join(found)})")
    return conditions


def _lexemes(leaf: Leaf, mark: str) -> str:
    if isinstance(leaf, Words):
        phrase = " <-> ".join(quoted(mark + word) for word in leaf.words)
        return f"({phrase}{':*' if leaf.begins else ''})"
    if isinstance(leaf, Tag):
        return quoted(f"{mark}#{leaf.name}")
    assert isinstance(leaf, Site)
    return quoted(f"{mark}@{leaf.host}")


def _without_dates(node: Node) -> Node | None:
    """Return what is true wherever the query is, and asks for no time; None: anything may be."""
    if not dated(node):
        return node
    if isinstance(node, And | Or):
        parts = [part for each in node.nodes if (part := _without_dates(each))]
        if isinstance(node, And) and parts:
            return And(tuple(parts))
        if isinstance(node, Or) and len(parts) == len(node.nodes):
            return Or(tuple(parts))
    return None


def _needs_a_word(node: Node) -> bool:
    """Say whether a link without any of the words is never found."""
    if isinstance(node, And | Or):
        return (any if isinstance(node, And) else all)(map(_needs_a_word, node.nodes))
    return not isinstance(node, Not)
