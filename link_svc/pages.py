"""Pages of a listing, read from PostgreSQL: rows become JSON, with nothing in between."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from chassis.database.direct import TIME_AS_TEXT, Row, engine_of, fetch_alone
from chassis.database.prepared import prepared
from link_svc.domain import LinkDoc
from link_svc.listing import Page, Position, Query
from link_svc.rows import moment
from link_svc.walks import STRIDE, Walk

# How much of a collection one call looks through for what the filters let pass: here, in
# PostgreSQL, and for how long altogether.
SCAN_ROWS = 20_000
WALK_ROWS = 200_000
SCAN_SECONDS = 1.0
_QUICK_SECONDS = 0.05
_BATCH_ROWS = 100
_LARGEST_BATCH_ROWS = 1000
_TURN_SECONDS = 0.01


class Pages:
    """Read pages, each statement a transaction of its own."""

    session: Session

    def page(self, query: Query) -> Page:
        """Return the next part of the listing: a page, or less where matches are far between.

        A part that ends before the listing does says where to go on. What the audience may not
        see is not even looked at: no time and no token tells of it.
        """
        if not query.visibilities:
            return Page([], None)
        if query.is_plain:
            return self._next(query)
        patience = _Patience()
        links: list[LinkDoc] = []
        last = query.after
        for row, walked in self._rows(query):
            if row.url is not None and _passes(query, row):
                if len(links) == query.page_size:
                    return Page(links, last)
                links.append(_document(row))
            last = _position(row)
            if patience.ends(row.url is not None, walked):
                return Page(links, last)
        return Page(links, None)

    def _next(self, query: Query) -> Page:
        rows = self._read(Walk(query, query.after, query.page_size + 1))
        shown = rows[: query.page_size]
        last = _position(shown[-1]) if len(rows) > len(shown) else None
        return Page(list(map(_document, shown)), last)

    def _rows(self, query: Query) -> Iterator[tuple[Row, int]]:
        """Yield what may match, in order; and rows without a URL, as far as nothing does.

        With each, of how many rows it tells.
        """
        after, stride = query.after, STRIDE
        want = query.page_size + 1
        if query.patterns:
            want = max(want, _BATCH_ROWS)
        while True:
            began = time.monotonic()
            walk = Walk(query, after, want, stride)
            rows = self._read(walk)
            quick = time.monotonic() - began < _QUICK_SECONDS
            for row in rows:
                yield row, 1 if row.url is not None else stride
            at_an_edge = bool(rows) and rows[-1].url is None
            if len(rows) < want and not at_an_edge:
                return
            after = _position(rows[-1])
            if at_an_edge:
                stride = walk.next_stride if quick else STRIDE
            elif query.patterns:
                want = max(want, min(4 * want, _LARGEST_BATCH_ROWS))

    def _read(self, walk: Walk) -> Sequence[Row]:
        # Of others there are too many shapes.
        sql = prepared("get_links", walk.sql) if walk.query.is_plain else walk.sql
        return fetch_alone(engine_of(self.session), sql, walk.values, (TIME_AS_TEXT,))


class _Patience:
    """How much of a collection is looked through, and whose turn it is meanwhile."""

    def __init__(self) -> None:
        self._seen = self._walked = 0
        now = time.monotonic()
        self._end, self._turn = now + SCAN_SECONDS, now + _TURN_SECONDS

    def ends(self, seen: bool, walked: int) -> bool:
        """Go on; let the other workers run where a slow pattern keeps them waiting."""
        self._seen += seen
        self._walked += walked
        now = time.monotonic()
        if self._seen >= SCAN_ROWS or self._walked >= WALK_ROWS or now > self._end:
            return True
        if now > self._turn:
            time.sleep(0)
            self._turn = now + _TURN_SECONDS
        return False


def _passes(query: Query, row: Row) -> bool:
    return all(pattern.matches(getattr(row, pattern.part)) for pattern in query.patterns)


def _position(row: Row) -> Position:
    return Position(datetime.fromisoformat(row.created_at), row.id)


def _document(row: Row) -> LinkDoc:
    """Return the row as ``domain.Link.document`` does."""
    id_, _, url, title, description, tags, status, visibility, created, updated, revision = row
    return {
        "url": url,
        "title": title,
        "description": description,
        "tags": tags,
        "status": status,
        "visibility": visibility,
        "created_at": moment(created),
        "updated_at": moment(updated),
        "version": f"{id_}-{revision}",
    }
