"""All links of somebody's, in large parts: each a walk along one index, in one statement."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from chassis.database.direct import Row, fetch
from chassis.database.prepared import Prepared
from link_svc.listing import Position
from link_svc.walks import COLUMNS

PART_ROWS = 600
# Of a part's text, and of what is written around that of a link. In the worst case a character is
# seven bytes of JSON in JSON: a part is at most 920 kB of a message over NATS, which takes 1 MiB.
# No link alone is as long as a part.
PART_BYTES = 131_072
LINK_BYTES = 40

_PART = """
    SELECT {columns}, walked FROM (
        SELECT {columns}, count(*) OVER () AS walked,
               sum({link_bytes} + octet_length(url) + octet_length(title)
                   + octet_length(description) + octet_length(array_to_string(tags, ',')))
               OVER (ORDER BY created_at, id ROWS UNBOUNDED PRECEDING) AS size
          FROM (SELECT {columns} FROM links WHERE owner = %(owner)s {later}
                 ORDER BY created_at, id LIMIT {rows}) AS walk) AS measured
     WHERE size <= {part_bytes} ORDER BY created_at, id
    """
_LATER = "AND (created_at, id) > (%(at)s, %(after)s)"


def _statement(later: str) -> Prepared:
    return Prepared(
        "export_links",
        _PART.format(
            columns=COLUMNS,
            later=later,
            rows=PART_ROWS,
            link_bytes=LINK_BYTES,
            part_bytes=PART_BYTES,
        ),
    )


_FIRST, _NEXT = _statement(""), _statement(_LATER)


class Exporting:
    """Read a whole collection, oldest first, each part in a statement of its own."""

    session: Session

    def rows(self, owner: str, after: Position | None) -> tuple[Sequence[Row], Position | None]:
        """Return the next links, and the position of the last unless the collection ends there."""
        values: dict[str, Any] = {"owner": owner}
        if after is not None:
            values |= {"at": after.created_at, "after": after.id}
        rows = fetch(self.session, _NEXT if after else _FIRST, values)
        if not rows or rows[-1].walked == len(rows) < PART_ROWS:
            return rows, None
        return rows, Position(rows[-1].created_at, rows[-1].id)
