"""What the services of a release say to their databases, recorded; to be said again to later ones.

While a release is rolled out, the release before it runs on the new tables, and goes on doing so
after a roll-back. Its recorded statements must find there what they found: no error, as many rows,
the same columns. To record the release that is in the making, before it is tagged:

    .venv/bin/python -m tests.integration.releases 0.1.0
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from chassis.database import dialect, prepared
from embedded import ports
from embedded.postgres import PostgresServer
from embedded.roles import Database
from tests.integration.service_database import ROOT, migrated
from tests.integration.store_operations import USES

RELEASES = ROOT / "tests/releases"
COMMITS = "; COMMIT"
Statement = dict[str, Any]


class Broken(AssertionError):
    """A release would not find what it found."""


def record(service: str, engine: Engine) -> list[Statement]:
    """Use a new database as the service does; return the statements and what they found.

    Nothing is prepared meanwhile, as behind a pooler: what is said is there as text. What begins
    and ends transactions is left out.
    """
    said: list[Statement] = []
    execute = dialect.Cursor.execute

    def note(cursor: dialect.Cursor, query: Any, values: Any = None) -> None:
        execute(cursor, query, values)
        sql = cursor.query.decode().removeprefix("BEGIN;")
        if sql in ("COMMIT", "ROLLBACK"):
            return
        commits = sql.endswith(COMMITS)
        rows = None if commits else cursor.rowcount  # which is that of COMMIT
        sql = sql.removesuffix(COMMITS)
        said.append({"sql": sql, "rows": rows, "columns": columns(cursor)})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared.Preparations, "ready", lambda *_: False)
        patch.setattr(dialect.Cursor, "execute", note)
        USES[service](engine)
    return said


def columns(cursor: Any) -> dict[str, int]:
    """Return the names of a result's columns and the numbers of their types."""
    return {each.name: each.type_code for each in cursor.description or ()}


def replay(
    server: PostgresServer, database: Database, said: list[Statement], change: str = "SELECT"
) -> None:
    """Say the statements as the service's role, after a change by the owner; keep none of it.

    Raise Broken where they don't find what they found.
    """
    connection = server.connect(database.name)
    try:
        with connection.cursor() as cursor:
            _begin_anew(cursor)
            cursor.execute(f"SET LOCAL ROLE {database.owner}; {change}")
            cursor.execute(f"SET LOCAL ROLE {database.service}")
            for each in said:
                _repeat(cursor, each)
    finally:
        connection.close()  # which rolls back


def _begin_anew(cursor: Any) -> None:
    """Empty the tables: identifiers must count from one again, because statements name them."""
    cursor.execute(
        "SELECT string_agg(relname, ',') FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
    )
    (tables,) = cursor.fetchone()
    cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY")


def _repeat(cursor: Any, each: Statement) -> None:
    try:
        cursor.execute(each["sql"])
    except Exception as error:
        raise Broken(f"{error}\n{each['sql']}") from error
    found = columns(cursor)
    rows = each["rows"]
    if rows not in (None, cursor.rowcount) or not each["columns"].items() <= found.items():
        raise Broken(f"found {cursor.rowcount} rows of {found}, not {each}")


def main(version: str) -> None:
    """Record what the services say now as what that release says."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        server = PostgresServer(Path(name) / "postgres", ports.free_port())
        server.start()
        for service in USES:
            with migrated(server, service, service) as engine:
                said = record(service, engine)
            path = RELEASES / version / f"{service}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(said, indent=1) + "\n")
        server.stop()


if __name__ == "__main__":
    main(sys.argv[1])
