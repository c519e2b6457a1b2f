"""The SQL of a listing: range scans of indexes in the order of their keys, one statement a part.

Where the links are filtered, how far apart they are is not known beforehand, and PostgreSQL's
planner guesses badly. So a statement walks a little way first. It goes on, a little further, where
that should fill the page; else it asks the index of words, which has to read and sort all that
match, but those are few. Where no index can help it stops after so many rows, and says where.
"""

from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from link_svc.listing import Order, Position, Query
from link_svc.search.conditions import Conditions, contains
from link_svc.search.query import And, Node, Tag
from link_svc.visibility import Visibility

COLUMNS = (
    "id, owner, url, title, description, tags, status, visibility, created_at, updated_at, revision"
)
_NO_LINK = (
    "id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, created_at, CAST(NULL AS timestamptz),"
    " CAST(NULL AS bigint)"
)

# How many links of an owner's an index is compared with.
_LARGE = 100_000
# How far one statement walks where no index helps: at first, and after a few that took no time.
STRIDE = 1000
LARGEST_STRIDE = 5000
# The same where descriptions are read: four looks at 16 kB of text are a quarter of a millisecond.
LARGEST_STRIDE_IN_TEXTS = 2000


@dataclass
class Walk:
    """The next links of a listing, ``want`` or fewer, after a position."""

    query: Query
    after: Position | None
    want: int
    stride: int = STRIDE
    values: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        query = self.query
        self.values = {
            "owner": query.owner,
            "tags": sorted(query.tags),
            "tag": min(query.tags, default=""),
        }
        if self.after is not None:
            self.values |= {"at": self.after.created_at, "after": self.after.id}
        self._visibilities = sorted(query.visibilities)
        self._values_of = {each: f"'{each.value}'" for each in Visibility}
        newest = query.order is Order.NEWEST
        self._direction, self._beyond = (" DESC", "<") if newest else ("", ">")
        self._required = [
            condition
            for pattern in query.patterns
            for condition in contains(pattern.part, pattern.required, self.values)
        ]

    @property
    def next_stride(self) -> int:
        """How far the next may go where this one took no time."""
        texts = any(pattern.part == "description" for pattern in self.query.patterns)
        return min(4 * self.stride, LARGEST_STRIDE_IN_TEXTS if texts else LARGEST_STRIDE)

    @property
    def sql(self) -> str:
        """The statement."""
        query = self.query
        if query.search is not None:
            return self._searched(_with_tags(query.search, query.tags))
        if len(query.tags) > 1:
            every = "tags @> CAST(%(tags)s AS text[])"
            return f"WITH rarest AS MATERIALIZED ({self._rarest()}), {self._to_an_edge(every)}"
        if self._required:
            return f"WITH {self._to_an_edge()}"
        if query.tags:
            return self._tagged(self.want)
        return self._links(self.want)

    def _searched(self, search: Node) -> str:
        conditions = Conditions(self.query.owner, self._visibilities, self.values)
        exact, indexed = conditions.exact(search), conditions.indexed(search)
        if not indexed:
            return f"WITH {self._to_an_edge(exact)}"
        # A walk of four times this costs what the index does, where that has as many for a page.
        near = isqrt(self.want * _LARGE) // 4
        return f"""
            WITH near AS MATERIALIZED ({self._filtered(exact, near)}),
            far AS MATERIALIZED ({self._further(exact, near)}),
            walked AS (SELECT * FROM near UNION ALL SELECT * FROM far)
            SELECT * FROM (
                SELECT * FROM walked WHERE (SELECT count(*) FROM walked) >= {self.want}
                UNION ALL
                SELECT * FROM ({self._by_index(exact, indexed)}) AS found
                 WHERE (SELECT count(*) FROM walked) < {self.want}) AS part
             ORDER BY {self._order()} LIMIT {self.want}
            """

    def _further(self, exact: str, near: int) -> str:
        """Select what follows the near rows, where they have at least a third of the page.

        Twice as far as the rest of it should take: there, that costs less than the index, which
        is likely to have thousands. And it costs little where the near rows had all there are.
        """
        many, found = self.want // 3 + 1, "(SELECT count(*) FROM near)"
        most = 2 * near * (self.want - many) // many
        rows = f"2 * {near} * ({self.want} - {found}) / greatest({found}, 1)"
        return f"""
            SELECT {COLUMNS} FROM (
                SELECT * FROM ({self._links(near + most, "*")}) AS reached
                OFFSET {near} LIMIT {rows}) AS walked
             WHERE {found} BETWEEN {many} AND {self.want - 1} AND {exact}
            """

    def _by_index(self, exact: str, indexed: str) -> str:
        # Hidden from the index of owners: those are as many rows as somebody has links.
        conditions = {"owner || '' = %(owner)s", indexed, exact, *self._limits(self._visibilities)}
        where = " AND ".join(sorted(conditions) + self._later())
        return f"""
            SELECT {COLUMNS} FROM (
                SELECT {COLUMNS} FROM links WHERE {where} OFFSET 0) AS found
             ORDER BY {self._order()} LIMIT {self.want}
            """

    def _to_an_edge(self, *conditions: str) -> str:
        """Select what a stride finds; and, where it found too little, its last row as no link.

        Expressions are for Python to try, on what has all that each of them requires.
        """
        condition = " AND ".join([*conditions, *self._required])
        return f"""
            near AS MATERIALIZED ({self._filtered(condition, self.stride)})
            SELECT {COLUMNS} FROM near
            UNION ALL
            SELECT {_NO_LINK} FROM (
                SELECT * FROM ({self._keys(self.stride)}) AS walked
                OFFSET {self.stride - 1}) AS edge
             WHERE (SELECT count(*) FROM near) < {self.want}
            """

    def _filtered(self, condition: str, rows: int) -> str:
        """Select the first that fulfil a condition, of so many rows."""
        if self.query.tags and self.query.search is None:
            return self._tagged(rows, condition)
        return f"""
            SELECT {COLUMNS} FROM ({self._links(rows, "*")}) AS walked
             WHERE {condition} LIMIT {self.want}
            """

    def _links(self, rows: int, columns: str = COLUMNS) -> str:
        return self._scan("links", columns, rows)

    def _keys(self, rows: int) -> str:
        if self.query.tags and self.query.search is None:
            return self._scan("link_tags", "created_at, link_id AS id", rows)
        return self._scan("links", "created_at, id", rows)

    def _tagged(self, rows: int, condition: str = "true") -> str:
        keys = self._scan("link_tags", "created_at AS at, link_id", rows)
        return f"""
            SELECT {COLUMNS} FROM ({keys}) AS tagged,
                   LATERAL (SELECT {COLUMNS} FROM links WHERE id = link_id OFFSET 0) AS link
             WHERE {condition} ORDER BY {self._order("at, link_id")} LIMIT {self.want}
            """

    def _scan(self, table: str, columns: str, rows: int) -> str:
        """Select in order: one scan where all links may be seen, else one for each visibility.

        Each has a limit of its own: without, PostgreSQL (18) sorts all that it could merge.
        """
        scans = [self._one_scan(table, columns, rows, seen) for seen in self._classes()]
        if len(scans) == 1:
            return scans[0]
        merged = " UNION ALL ".join(f"({scan})" for scan in scans)
        order = self._order("1, 2" if table == "link_tags" else "created_at, id")
        return f"SELECT * FROM ({merged}) AS seen ORDER BY {order} LIMIT {rows}"

    def _one_scan(self, table: str, columns: str, rows: int, seen: list[Visibility]) -> str:
        id_ = "link_id" if table == "link_tags" else "id"
        conditions = ["owner = %(owner)s", *self._limits(seen)]
        if table == "link_tags":
            conditions.append(
                "tag = %(tag)s" if len(self.query.tags) == 1 else "tag = (SELECT tag FROM rarest)"
            )
        where = " AND ".join(conditions + self._later(id_))
        order = self._order(f"created_at, {id_}")
        return f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {order} LIMIT {rows}"

    def _later(self, id_: str = "id") -> list[str]:
        if self.after is None:
            return []
        return [f"(created_at, {id_}) {self._beyond} (%(at)s, %(after)s)"]

    def _classes(self) -> list[list[Visibility]]:
        if len(self._visibilities) == len(Visibility):
            return [self._visibilities]
        return [[each] for each in self._visibilities]

    def _rarest(self) -> str:
        """Select the tag whose entries to walk, counted no further than it matters."""
        limits = "".join(f" AND {limit}" for limit in self._limits(self._visibilities))
        return f"""
            SELECT tag FROM unnest(CAST(%(tags)s AS text[])) AS wanted (tag)
             ORDER BY (SELECT count(*) FROM (SELECT FROM link_tags
                        WHERE owner = %(owner)s AND link_tags.tag = wanted.tag{limits}
                        LIMIT {STRIDE}) AS found)
             LIMIT 1
            """

    def _limits(self, visibilities: list[Visibility]) -> list[str]:
        if len(visibilities) == len(Visibility):
            return []
        values = [self._values_of[each] for each in visibilities]
        return [
            f"visibility = {values[0]}"
            if len(values) == 1
            else f"visibility IN ({', '.join(values)})"
        ]

    def _order(self, key: str = "created_at, id") -> str:
        return ", ".join(column + self._direction for column in key.split(", "))


def _with_tags(search: Node, tags: frozenset[str]) -> Node:
    return And((search, *map(Tag, sorted(tags)))) if tags else search
