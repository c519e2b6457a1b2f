"""The SQL of keys of writes: how a transaction takes one, and keeps the answer of its write."""

from functools import cache
from string import Template

from sqlalchemy import TextClause, text

UNDO = text("ROLLBACK TO SAVEPOINT write")

_COLUMNS = ("fingerprint", "answer", "created_at")
_KEEP = Template(
    "INSERT INTO $table (owner, key, $columns)"
    " SELECT :owner, :key, CAST(:fingerprint AS bytea), $answer, clock_timestamp() $source"
    " ON CONFLICT (owner, key) DO UPDATE SET $values"
)
_LOOK = Template(
    "$take; SAVEPOINT write; SELECT $taken AS taken, kept.* FROM (SELECT) AS one $kept"
)
_KEPT = Template("LEFT JOIN (SELECT fingerprint, answer FROM $table WHERE $fresh) AS kept ON true")


class Inline:
    """What a statement of a store's own needs to be done once for a key, all in one message.

    ``take`` goes before it, ``free`` is a condition of its first part, and ``keep`` makes one of
    the parts that are done at the end. It does nothing where the key is not free: then
    ``Keys.once`` finds out why, and what to answer. Its values are those of ``Keys.inline``.
    """

    # Another statement: a snapshot from before the lock is there might not see what was kept by
    # whoever had it before. What came of it lasts as long as the lock, until the transaction ends.
    take = "SELECT set_config('chassis.key', pg_try_advisory_xact_lock(:lock)::text, true)"
    taken = "current_setting('chassis.key')::boolean"
    fresh = (
        "owner = :owner AND key = :key"
        " AND created_at >= clock_timestamp() - make_interval(hours => :hours)"
    )

    def __init__(self, table: str) -> None:
        self.table = table
        kept = Template("NOT EXISTS (SELECT FROM $table WHERE $fresh)")
        self.free = f"{self.taken} AND {kept.substitute(table=table, fresh=self.fresh)}"

    def keep(self, answer: str, source: str = "") -> str:
        """Return a statement that keeps an answer, which is SQL, for the row of a source."""
        values = ", ".join(f"{each} = excluded.{each}" for each in _COLUMNS)
        columns = ", ".join(_COLUMNS)
        return _KEEP.substitute(
            table=self.table, columns=columns, answer=answer, source=source, values=values
        )


@cache
def looking(table: str) -> TextClause:
    """Return what takes a key until the transaction ends, and finds its answer."""
    inline = Inline(table)
    kept = _KEPT.substitute(table=table, fresh=inline.fresh)
    return text(_LOOK.substitute(take=inline.take, taken=inline.taken, kept=kept))


@cache
def keeping(table: str) -> TextClause:
    """Return what keeps an answer, and commits."""
    return text(f"{Inline(table).keep('CAST(:answer AS jsonb)')}; COMMIT")
