"""Ways to talk to a database other than in a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session


@contextmanager
def each_statement_alone(session: Session) -> Iterator[None]:
    """Let each statement of the block be a transaction of its own.

    For reads of one statement: BEGIN and COMMIT around it would cost a round trip each.
    """
    with session.begin():
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        yield
