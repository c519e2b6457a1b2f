"""What a database is asked, statement by statement, whichever way it goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chassis.database import dialect


@contextmanager
def asked() -> Iterator[list[str]]:
    """Return what is asked within the block; COMMIT and ROLLBACK are no questions."""
    statements: list[str] = []
    execute = dialect.Cursor.execute

    def hear(cursor: dialect.Cursor, statement: Any, values: Any = None) -> None:
        if statement not in ("COMMIT", "ROLLBACK"):
            statements.append(statement)
        execute(cursor, statement, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialect.Cursor, "execute", hear)
        yield statements
