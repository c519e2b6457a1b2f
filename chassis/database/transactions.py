"""Ways to talk to a database: in a transaction that may be part of another, or in none."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.orm import Session, SessionTransaction


def transaction(session: Session) -> SessionTransaction:
    """Begin a transaction, or in one that is open, a part that may fail by itself."""
    return session.begin_nested() if session.in_transaction() else session.begin()


@contextmanager
def each_statement_alone(session: Session) -> Iterator[Connection]:
    """Let each statement of the block be a transaction of its own.

    For reads of one statement: BEGIN and COMMIT around it would cost a round trip each. The
    connection that is given takes statements of Core, which cost less than by the session.
    """
    with session.begin():
        connection = session.connection()
        connection.connection.begin_nothing()
        yield connection


@contextmanager
def one_statement(session: Session) -> Iterator[None]:
    """Let the block's statement be a transaction of its own, or part of the one that is open.

    A write of one statement is committed with it, in the same round trip.
    """
    if session.in_transaction():
        yield
    else:
        with each_statement_alone(session):
            yield
