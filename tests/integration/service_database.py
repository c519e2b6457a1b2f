"""A service's database for tests, made by its migrations."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nameko
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, MetaData

from chassis.database.dialect import engine_at
from embedded.postgres import PostgresServer
from embedded.roles import Database

ROOT = Path(__file__).parents[2]


@contextmanager
def unmigrated(postgres: PostgresServer, service: str, name: str) -> Iterator[Database]:
    """Make an empty database with the service's roles, and drop it in the end."""
    database = Database.of(service, name)
    postgres.ensure_database(database)
    yield database
    postgres.drop_database(name)


@contextmanager
def migrated(postgres: PostgresServer, service: str, name: str) -> Iterator[Engine]:
    """Make a database as alembic makes it; connect as the service does, with its rights."""
    with unmigrated(postgres, service, name) as database:
        migrate(service, command.upgrade, "head", uri=postgres.uri(name, database.owner))
        engine = engine_at(postgres.uri(name, service), pool_size=40, max_overflow=0)
        yield engine
        engine.dispose()


def migrate(
    service: str,
    what: Callable[[Config, str], None],
    revision: str,
    uri: str,
    scripts: Path | None = None,
) -> None:
    """Do the same in this process, which takes a tenth of the time; ``scripts`` may be others."""
    settings = Config(ROOT / service / "alembic.ini")
    if scripts is not None:
        settings.set_main_option("script_location", str(scripts))
    before = dict(nameko.config)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv(owner_key(service), uri)
        what(settings, revision)
    nameko.config.clear()
    nameko.config.update(before)


def owner_key(service: str) -> str:
    """Return the variable that holds the address of the tables' owner."""
    return f"{service.removesuffix('_svc').upper()}_DB_OWNER_URI"


def alembic(service: str, *arguments: str, uri: str) -> str:
    """Run alembic as an operator does, at the address of the tables' owner."""
    program = [sys.executable, "-W", "ignore", "-m", "alembic", "-c", f"{service}/alembic.ini"]
    done = subprocess.run(
        [*program, *arguments],
        cwd=ROOT,
        env={**os.environ, owner_key(service): uri},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def empty(engine: Engine, metadata: MetaData) -> None:
    """Delete every row, as far as a service may."""
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
