"""PgBouncer in transaction mode, as docs/databases.md sets it up, before a PostgreSQL of ours."""

import configparser
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import Engine, make_url

from chassis.database.dialect import engine_at
from embedded import ports
from embedded.account import unprivileged
from embedded.postgres import PostgresServer
from embedded.postgres_home import give
from embedded.server import HOST, Server
from tests.processes import ROOT

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin") or shutil.which("pgbouncer")
POOL_SIZE = 2


class PgBouncer(Server):
    """One PgBouncer, with few connections to PostgreSQL, for any database and user there."""

    name = "PgBouncer"

    def __init__(self, folder: Path, postgres: PostgresServer) -> None:
        super().__init__(folder, ports.free_port())
        self.postgres = postgres

    def prepare(self) -> None:
        super().prepare()
        self.account = unprivileged(owner_of=self.folder.parent)  # it refuses to run as root
        give(self.folder, self.account)
        roles = self.postgres.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin")
        (self.folder / "users.txt").write_text("".join(f'"{role}" ""\n' for (role,) in roles))
        with (self.folder / "pgbouncer.ini").open("w") as file:
            self._settings().write(file)

    def command(self) -> Sequence[str | Path]:
        assert PROGRAM is not None
        return [PROGRAM, self.folder / "pgbouncer.ini"]

    def answers(self) -> bool:
        try:
            psycopg2.connect(host=HOST, port=self.port, dbname="pgbouncer", user="postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def _settings(self) -> configparser.ConfigParser:
        block = re.search(r"```ini\n(.*?)```", (ROOT / "docs/databases.md").read_text(), re.DOTALL)
        assert block is not None
        settings = configparser.ConfigParser()
        settings.read_string(block[1])
        settings["databases"] = {"*": f"host={HOST} port={self.postgres.port}"}
        settings["pgbouncer"].update(
            listen_addr=HOST,
            listen_port=str(self.port),
            unix_socket_dir="",
            auth_type="trust",
            auth_file=str(self.folder / "users.txt"),
            admin_users="postgres",
            default_pool_size=str(POOL_SIZE),
        )
        return settings


@contextmanager
def running(postgres: PostgresServer, folder: Path) -> Iterator[PgBouncer]:
    """Start PgBouncer, or say that the test is left out."""
    if PROGRAM is None:
        pytest.skip("PgBouncer is not installed: databases behind a pooler are left out")
    server = PgBouncer(folder / f"pgbouncer-{ports.free_port()}", postgres)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def before(postgres: PostgresServer, folder: Path, direct: Engine) -> Iterator[Engine]:
    """Give an engine to the same database by way of a PgBouncer."""
    with running(postgres, folder) as server:
        engine = engine_at(direct.url.set(port=server.port), pool_size=40, max_overflow=0)
        yield engine
        engine.dispose()


def through(server: PgBouncer, uri: str) -> str:
    """Return the address of a database by way of PgBouncer."""
    return make_url(uri).set(port=server.port).render_as_string(hide_password=False)
