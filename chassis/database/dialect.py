"""psycopg2 with fewer round trips: no BEGIN by itself, and no question whether anybody is there.

psycopg2 (2.9) sends BEGIN alone and waits for the answer, and SQLAlchemy's ``pool_pre_ping`` asks
before each use. Here BEGIN goes along with the first statement, or not at all where a statement
stands alone; and a connection that was used just now is only looked at: whoever ends it leaves
something to be read. What is ``Prepared`` is planned once on each connection.
"""

import time
from collections.abc import Callable
from typing import Any

import orjson
from eventlet import patcher
from psycopg2 import extensions
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from chassis.database.errors import Translator
from chassis.database.prepared import STALE, Preparations, Prepared

TRUSTED_SECONDS = 10.0

_select = patcher.original("select")


class Cursor(extensions.cursor):
    """Sends the BEGIN that is due before, or along with, whatever it sends."""

    connection: "Connection"

    def execute(self, query: Any, values: Any = None) -> None:
        """Execute a statement; if it is the first of a transaction, in one go with BEGIN."""
        if isinstance(query, Prepared):
            self._execute_prepared(query, values)
        else:
            self._execute(query, values)

    def _execute_prepared(self, query: Prepared, values: Any) -> None:
        preparations = self.connection.preparations
        if not preparations.ready(query, self):
            self._execute(str(query), values)
            return
        try:
            self._execute(query.execution, values)
        except STALE:
            preparations.stale = True
            if self.connection.get_transaction_status() != TRANSACTION_STATUS_IDLE:
                raise  # all of the transaction is to be done again, by whoever began it
            super().execute(str(query), values)

    def _execute(self, query: Any, values: Any) -> None:
        if self.connection.begin_due:
            if isinstance(query, str):
                query = "BEGIN;" + query
                self.connection.begin_due = False
            else:
                self._begin()
        super().execute(query, values)

    def executemany(self, query: Any, values: Any) -> None:
        """Execute a statement many times."""
        self._begin()
        super().executemany(query, values)

    def copy_expert(self, *arguments: Any, **options: Any) -> None:
        """Copy rows in or out."""
        self._begin()
        super().copy_expert(*arguments, **options)

    def _begin(self) -> None:
        if self.connection.begin_due:
            self.connection.begin_due = False
            super().execute("BEGIN")


class Connection(extensions.connection):
    """A connection on which nothing begins before there is something to do.

    Cursors with a name, and COPY other than by ``copy_expert``, are not for it.
    """

    # No constructor: psycopg2 closes a connection whose making has failed with its last reference.
    begin_due = False
    used = float("-inf")
    preparations: Preparations
    _poll: Any = None

    def prepare(self) -> None:
        """Make ready what was just connected."""
        self.autocommit = True  # for psycopg2: it shall send no BEGIN
        self.preparations = Preparations()
        self._poll = _select.poll()
        self._poll.register(self.fileno(), _select.POLLIN)

    @property
    def is_trusted(self) -> bool:
        """Say whether it was used just now, and nothing has come since: no word of its end."""
        recently = time.monotonic() - self.used < TRUSTED_SECONDS
        return recently and not self.closed and not self._poll.poll(0)

    def begin(self) -> None:
        """Let the next statement begin a transaction."""
        self.begin_due = True

    def begin_nothing(self) -> None:
        """Let the next statements each be a transaction of its own."""
        self.begin_due = False

    def end(self, how: str) -> None:
        """End the transaction, if one has begun."""
        self.used = time.monotonic()
        self.begin_due = False
        if self.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            with self.cursor() as cursor:
                cursor.execute(how)


class Dialect(PGDialect_psycopg2):
    """SQLAlchemy's dialect for it."""

    supports_statement_cache = True
    translator: Translator | None = None  # hears of the errors of a statement that goes direct

    def on_connect(self) -> Callable[[Any], None]:
        """Return what is done with a new connection."""
        inherited = super().on_connect()  # type: ignore[no-untyped-call]

        def prepare(connection: Connection) -> None:
            connection.prepare()
            if inherited is not None:
                inherited(connection)

        return prepare

    def do_begin(self, dbapi_connection: Any) -> None:
        """Let the next statement begin a transaction."""
        dbapi_connection.begin()

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit."""
        dbapi_connection.end("COMMIT")

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Undo all since the begin."""
        dbapi_connection.end("ROLLBACK")

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Say whether the connection is good."""
        if dbapi_connection.is_trusted:
            return True
        return super().do_ping(dbapi_connection)  # type: ignore[no-untyped-call]


registry.register("postgresql.chassis", __name__, "Dialect")


def engine_at(url: URL | str, connect_args: dict[str, Any] | None = None, **options: Any) -> Engine:
    """Return an engine with such connections."""
    return create_engine(
        make_url(url).set(drivername="postgresql+chassis"),
        json_deserializer=orjson.loads,
        connect_args={
            "connection_factory": Connection,
            "cursor_factory": Cursor,
            **(connect_args or {}),
        },
        **options,
    )
