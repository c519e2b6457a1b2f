"""A service's database for tests, made by its migrations."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, MetaData, create_engine, text

from embedded.postgres import PostgresServer

ROOT = Path(__file__).parents[2]


@contextmanager
def migrated(postgres: PostgresServer, service: str, name: str) -> Iterator[Engine]:
    """Make a database, as alembic makes it, and drop it in the end."""
    postgres.create_database(name, owner=service)
    uri = postgres.uri(name, service)
    alembic(service, "upgrade", "head", uri=uri)
    engine = create_engine(uri, pool_size=40, max_overflow=0)
    yield engine
    engine.dispose()
    postgres.drop_database(name)


def alembic(service: str, *arguments: str, uri: str) -> str:
    """Run alembic as an operator does."""
    command = [sys.executable, "-W", "ignore", "-m", "alembic", "-c", f"{service}/alembic.ini"]
    key = f"{service.removesuffix('_svc').upper()}_DB_URI"
    done = subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, key: uri},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def empty(engine: Engine, metadata: MetaData) -> None:
    """Delete every row."""
    tables = ", ".join(metadata.tables)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {tables}"))
