"""A migrated database of link_svc for tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from embedded.postgres import PostgresServer

ROOT = Path(__file__).parents[2]


@contextmanager
def migrated(postgres: PostgresServer, name: str) -> Iterator[Engine]:
    """Make a database, as alembic makes it, and drop it in the end."""
    postgres.create_database(name, owner="link_svc")
    uri = postgres.uri(name, "link_svc")
    alembic("upgrade", "head", uri=uri)
    engine = create_engine(uri, pool_size=40, max_overflow=0)
    yield engine
    engine.dispose()
    postgres.drop_database(name)


def alembic(*arguments: str, uri: str) -> str:
    """Run alembic as an operator does."""
    command = [sys.executable, "-W", "ignore", "-m", "alembic", "-c", "link_svc/alembic.ini"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, "LINK_DB_URI": uri},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def empty(engine: Engine) -> None:
    """Delete every row."""
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE owners, links, link_tags, outbox, outbox_lease"))
