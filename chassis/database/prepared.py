"""Statements that a connection plans once, and then only executes.

PostgreSQL plans a statement anew each time that it comes as text; of an add with its event, that is
half of its time. psycopg2 (2.9) knows no prepared statements, so they are PostgreSQL's own: PREPARE
once on each connection, then EXECUTE.

A plan is made for the tables as they are then, and kept until they are analysed, which autovacuum
does about every minute. What was best for an empty table, such as reading all of it to check a
foreign key, is slow for some thousand rows, which an import writes in seconds. So plans are made
anew after a few executions, and then seldom.

Behind a pooler in transaction mode the next statement may meet another session, which has prepared
nothing. There the process id that was told with the connection is not that of the session: then all
goes as text.
"""

import hashlib
import re
from functools import lru_cache

from psycopg2 import errors, extensions

# A migration has changed a table under a plan; or behind a pooler the session is another one.
STALE = (errors.FeatureNotSupported, errors.InvalidSqlStatementName)
# Of texts that are made anew each time, one connection keeps so many ready; whichever comes then
# goes as text. The others are as many as are written in the code, and shall not lack room.
MOST_SHAPES = 48
# Plans are made anew after so many executions on a connection, and each time that they are as many
# times more. That also is for the plans of foreign keys.
PLANS_LAST, PLANS_GROW = 64, 4
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_NAMED = re.compile(r"(?<![:\\\w]):(?=[a-z])(\w+)")


class Prepared(str):
    """SQL with parameters as ``%(name)s``; what is before a semicolon is not prepared.

    PostgreSQL has to find the type of each parameter where it first stands: where it cannot, the
    text says it, as ``CAST(%(name)s AS type)``. In its log and its list of sessions, there is the
    ``title`` in place of the text.
    """

    __slots__ = ("execution", "is_shape", "name", "preparation")

    is_shape: bool  # one of many: see ``prepared``
    name: str
    preparation: str
    execution: str

    def __new__(cls, title: str, sql: str, is_shape: bool = False) -> "Prepared":
        """Word what is sent in place of the text."""
        statement = super().__new__(cls, sql)
        statement.is_shape = is_shape
        first, semicolon, last = sql.rpartition(";")
        names: list[str] = []

        def number(found: re.Match[str]) -> str:
            name = found[1]
            if name is None:
                return "%"
            if name not in names:
                names.append(name)
            return f"${names.index(name) + 1}"

        body = _PARAMETER.sub(number, last)
        digest = hashlib.blake2b(body.encode(), digest_size=8).hexdigest()
        statement.name = f"{title}_{digest}"
        statement.preparation = f"PREPARE {statement.name} AS {body}"
        given = ", ".join(f"%({name})s" for name in names)
        arguments = f"({given})" if given else ""
        statement.execution = f"{first}{semicolon}EXECUTE {statement.name}{arguments}"
        return statement


def statement(title: str, sql: str) -> Prepared:
    """Return a statement whose parameters stand there as ``:name``, as in SQLAlchemy's ``text``."""
    plain = _NAMED.sub(r"%(\1)s", sql.replace("%", "%%"))
    return Prepared(title, plain.replace("\\:", ":"))


@lru_cache(maxsize=256)
def prepared(title: str, sql: str) -> Prepared:
    """Return the statement of a text that is made anew each time, but mostly the same."""
    return Prepared(title, sql, is_shape=True)


class Preparations:
    """What one connection has prepared."""

    def __init__(self) -> None:
        self.stale = False  # the tables, or the session, are not what they were
        self._names: set[str] = set()
        self._shapes = 0
        self._possible: bool | None = None
        self._executions = 0
        self._plans_last = PLANS_LAST

    def ready(self, statement: Prepared, cursor: extensions.cursor) -> bool:
        """Prepare a statement if need be; return False where it has to go as text."""
        if self.stale:
            self._execute(cursor, "DEALLOCATE ALL")
            self._names.clear()
            self._shapes = 0
            self.stale, self._possible = False, None
        self._executions += 1
        if self._executions > self._plans_last:
            self._plans_last *= PLANS_GROW
            self._execute(cursor, "DISCARD PLANS")
        if statement.name in self._names:
            return True
        if statement.is_shape and self._shapes >= MOST_SHAPES:
            return False
        if not self._may_prepare(cursor):
            return False
        self._execute(cursor, statement.preparation)
        self._names.add(statement.name)
        self._shapes += statement.is_shape
        return True

    def _may_prepare(self, cursor: extensions.cursor) -> bool:
        if self._possible is None:
            self._execute(cursor, "SELECT pg_backend_pid()")
            self._possible = cursor.fetchone() == (cursor.connection.info.backend_pid,)
        return self._possible

    def _execute(self, cursor: extensions.cursor, sql: str) -> None:
        extensions.cursor.execute(cursor, sql)  # psycopg2's own: no BEGIN is wanted here
