"""Migrations as an operator runs them, on data, up and down."""

import importlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from chassis.database.dialect import engine_at
from embedded.postgres import PostgresServer
from tests.integration.service_database import ROOT, alembic, migrate, unmigrated
from tests.integration.store_operations import USES

SERVICES = sorted(USES)
SECOND_REVISION = '''"""A second revision."""

import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = "{head}"


def upgrade():
    op.add_column("{table}", sa.Column("note", sa.Text))


def downgrade():
    op.drop_column("{table}", "note")
'''


class Subject:
    """A service, its database, and its migrations, or a copy of them with one more."""

    def __init__(self, postgres: PostgresServer, service: str, name: str) -> None:
        self.service = service
        self.owner = postgres.uri(name, f"{service}_owner")
        self.engine = engine_at(postgres.uri(name, service))
        self.scripts = ROOT / service / "migrations"

    @property
    def revisions(self) -> list[str]:
        """Return what there is, the first one first."""
        settings = Config()
        settings.set_main_option("script_location", str(self.scripts))
        found = [each.revision for each in ScriptDirectory.from_config(settings).walk_revisions()]
        return found[::-1]

    def migrate(self, what: Any, revision: str) -> None:
        migrate(self.service, what, revision, uri=self.owner, scripts=self.scripts)

    def alembic(self, *arguments: str) -> str:
        return alembic(self.service, *arguments, uri=self.owner)

    def tables(self) -> set[str]:
        return set(inspect(self.engine).get_table_names())

    def rows(self) -> dict[str, int]:
        with self.engine.connect() as connection:
            query = "SELECT count(*) FROM {}"
            return {
                table: connection.scalar(text(query.format(table)))
                for table in sorted(self.tables())
            }

    def add_a_revision(self, folder: Path) -> None:
        self.scripts = shutil.copytree(self.scripts, folder / "migrations")
        (head,) = self.revisions[-1:]
        table = sorted(self.tables() - {"alembic_version"})[0]
        path = self.scripts / "versions/9999_second.py"
        path.write_text(SECOND_REVISION.format(name="9999", head=head, table=table))


@pytest.fixture(params=SERVICES)
def subject(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[Subject]:
    name = f"{request.param}_migrations"
    with unmigrated(postgres, request.param, name):
        subject = Subject(postgres, request.param, name)
        yield subject
        subject.engine.dispose()


def test_models_and_migrations_agree(subject: Subject) -> None:
    assert "CREATE TABLE" in subject.alembic("upgrade", "head", "--sql")
    assert subject.tables() == set()
    subject.migrate(command.upgrade, "head")
    assert "No new upgrade operations" in subject.alembic("check")
    metadata = importlib.import_module(f"{subject.service}.models").Base.metadata
    assert subject.tables() == {*metadata.tables, "alembic_version"}


def test_every_migration_goes_up_down_and_up_again_on_data(
    subject: Subject, tmp_path: Path
) -> None:
    subject.migrate(command.upgrade, "head")
    USES[subject.service](subject.engine)
    subject.add_a_revision(tmp_path)  # there may be but one: this is a second step
    walk_down_and_up(subject)
    subject.migrate(command.downgrade, "base")
    assert subject.tables() == {"alembic_version"}
    for revision in subject.revisions:
        subject.migrate(command.upgrade, revision)
    USES[subject.service](subject.engine)


def walk_down_and_up(subject: Subject) -> None:
    """Take each step down but the first, which drops the tables, and up again: rows stay.

    But for those of tables that a step takes away with it.
    """
    subject.migrate(command.upgrade, "head")
    rows = subject.rows()
    assert sum(rows.values()) > 2
    steps = list(zip(subject.revisions, subject.revisions[1:], strict=False))
    assert steps
    lasting = set(rows)
    for before, after in reversed(steps):
        for what, revision in (
            (command.downgrade, before),
            (command.upgrade, after),
            (command.downgrade, before),
        ):
            subject.migrate(what, revision)
            left = subject.rows()
            lasting &= set(left)
            assert {table: left[table] for table in lasting} == {
                table: rows[table] for table in lasting
            }
    subject.migrate(command.upgrade, "head")
    assert set(subject.rows()) == set(rows)


@pytest.mark.parametrize("subject", ["user_svc"], indirect=True)
def test_two_who_migrate_at_once_do_not_meet(subject: Subject) -> None:
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(subject.alembic, "upgrade", "head") for _ in range(2)]
        assert all(run.exception() is None for run in runs)
    assert "users" in subject.tables()
