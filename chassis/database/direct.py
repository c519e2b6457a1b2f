"""One statement, and its rows, without the rounds of a session.

SQLAlchemy's session, connection and result (2.1) take several times as long for a statement as
psycopg2 does: they are for what has more than one.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn

import psycopg2
from psycopg2 import extensions
from sqlalchemy import ClauseElement, Engine, exc
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection

from chassis.database.prepared import Prepared

Values = Mapping[str, Any]
Row = Any  # a tuple whose items have the names of the columns

# A time as PostgreSQL writes it, ``2026-11-30 01:02:03.5+00``: to make a datetime of it, and a text
# of that, takes ten times as long.
TIME_AS_TEXT = extensions.new_type((1184,), "time_as_text", extensions.UNICODE)


def fetch(session: Session, sql: str, values: Values) -> list[Row]:
    """Execute a statement with parameters as ``%(name)s``, and return its rows.

    It is part of the session's transaction, or, where none is open, one of its own, which is
    committed with it. Raises what the session would raise.
    """
    if session.in_transaction():
        result = session.connection().exec_driver_sql(sql, dict(values))
        return list(result) if result.returns_rows else []
    rows = fetch_alone(engine_of(session), sql, values)
    session.dispatch.after_commit(session)
    return rows


def engine_of(session: Session) -> Engine:
    """Return where a session gets its connections."""
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    return engine


def execute(session: Session, sql: str, values: Values) -> None:
    """Execute a statement that returns no rows."""
    fetch(session, sql, values)


def fetch_one(session: Session, sql: str, values: Values) -> Row | None:
    """Return the only row, if there is one."""
    rows = fetch(session, sql, values)
    return rows[0] if rows else None


def fetch_alone(engine: Engine, sql: str, values: Values, casts: Sequence[Any] = ()) -> list[Row]:
    """Execute a statement that is a transaction of its own, whatever a session is at.

    ``casts`` are psycopg2's, and make of the types that they are for what they make.
    """
    connection = _connection(engine)
    try:
        cursor = connection.cursor()
        try:
            for cast in casts:
                extensions.register_type(cast, cursor)
            cursor.execute(sql, values)
            names = tuple(column[0] for column in cursor.description or ())
            rows = cursor.fetchall() if names else []
        finally:
            cursor.close()
    except psycopg2.Error as error:
        lost = engine.dialect.is_disconnect(error, connection.dbapi_connection, None)
        if lost:
            connection.invalidate(error)
        _refuse(engine, sql, error, lost)
    except BaseException as error:  # a worker's deadline, in the middle of an answer
        connection.invalidate(error)
        raise
    finally:
        connection.close()
    return list(map(_row_of(names), rows))


class Compiled:
    """A statement of SQLAlchemy's, worded once and prepared.

    What it returns is as psycopg2 has it: no type of SQLAlchemy's makes anything else of it.
    """

    def __init__(self, title: str, statement: ClauseElement) -> None:
        compiled = statement.compile(dialect=PGDialect_psycopg2())  # type: ignore[no-untyped-call]
        self.sql = Prepared(title, str(compiled))
        self._values = dict(compiled.params)

    def values(self, **values: Any) -> Values:
        """Return all values, of which these are not in the statement."""
        return self._values | values


@lru_cache(maxsize=128)
def _row_of(names: tuple[str, ...]) -> Callable[[tuple[Any, ...]], Row]:
    # A name that is no identifier is found by its place alone.
    row: Any = namedtuple("Row", list(names), rename=True)  # type: ignore[misc]
    make: Callable[[tuple[Any, ...]], Row] = row._make
    return make


def _connection(engine: Engine) -> PoolProxiedConnection:
    try:
        return engine.raw_connection()
    except psycopg2.Error as error:  # of one that had to be made
        _refuse(engine, None, error, lost=False, connecting=True)


def _refuse(
    engine: Engine, sql: str | None, error: psycopg2.Error, lost: bool, connecting: bool = False
) -> NoReturn:
    """Raise what SQLAlchemy would make of an error, after whoever listens for errors."""
    dialect = engine.dialect
    if dialect.translator is not None:  # type: ignore[attr-defined]  # see dialect.Dialect
        dialect.translator.judge(error, lost, connecting)  # type: ignore[attr-defined]
    raise exc.DBAPIError.instance(
        sql, None, error, psycopg2.Error, hide_parameters=True, dialect=dialect
    ) from error
