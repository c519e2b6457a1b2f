"""The servers keep their data, survive a crash, and leave nothing behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from embedded import ports, postgres_home
from embedded.errors import CannotStart
from embedded.nats import NatsServer
from embedded.postgres import PostgresServer
from embedded.roles import Database
from embedded.server import Server
from embedded.valkey import ValkeyServer

KINDS: list[type[Server]] = [NatsServer, PostgresServer, ValkeyServer]
START_AND_SLEEP = """\
import importlib, sys, time
from pathlib import Path
module, name, folder, port = sys.argv[1:]
server = getattr(importlib.import_module(module), name)(Path(folder), int(port))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def eventually(what: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[Server]:
    """Return a server that is not started, with the data that the last test has left."""
    kind: type[Server] = request.param
    server = kind(server_folder / f"own-{kind.name}", ports.free_port())
    yield server
    server.stop()


def test_killed_server_starts_again(server: Server) -> None:
    server.start()
    server.kill()
    server.start()
    assert server.answers()


def test_paused_server_is_silent_until_it_is_resumed(server: Server) -> None:
    server.start()
    server.pause()
    assert not server.answers()
    server.resume()
    assert eventually(server.answers)


def test_taken_port_is_named(server: Server, nats_server: NatsServer) -> None:
    server.port = nats_server.port
    with pytest.raises(CannotStart, match=f"{server.name} needs port {nats_server.port}"):
        server.start()


def test_server_dies_with_a_parent_that_is_killed(server: Server) -> None:
    kind = type(server)
    where = [kind.__module__, kind.__name__, str(server.folder), str(server.port)]
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_SLEEP, *where], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    orphan.wait(timeout=10)
    server.start()


def test_servers_listen_on_loopback_only(server: Server) -> None:
    server.start()
    listening = psutil.Process(server.pid).net_connections(kind="inet")
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


def test_postgres_keeps_its_data(postgres: PostgresServer) -> None:
    postgres.ensure_database(Database.of("kept"))
    postgres.stop()
    postgres.start()
    assert postgres.execute("SELECT 1 FROM pg_database WHERE datname = 'kept'") == [(1,)]


def test_postgres_lets_an_owner_use_its_database_without_a_password(
    postgres: PostgresServer,
) -> None:
    address = postgres.uri("link_svc", "link_svc_owner").replace("+psycopg2", "")
    connection = psycopg2.connect(address)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    connection.close()


def test_postgres_asks_its_superuser_for_a_password(postgres: PostgresServer) -> None:
    address = postgres.uri("postgres").replace("+psycopg2", "")
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(address)


@pytest.mark.parametrize("server", [PostgresServer], indirect=True)
def test_postgres_takes_no_foreign_process_for_itself(server: PostgresServer) -> None:
    """The process id of a crashed server may be that of another program by now."""
    server.start()
    server.kill()
    lock = server.folder / "data/postmaster.pid"
    lock.write_text(lock.read_text().replace(lock.read_text().split()[0], str(os.getpid()), 1))
    server.start()


def test_postgres_begins_anew_where_its_first_start_was_cut_short(server_folder: Path) -> None:
    server = PostgresServer(server_folder / "cut-short", ports.free_port())
    server.folder.mkdir()
    (server.folder / "data-unfinished").mkdir()
    (server.folder / "data-unfinished/PG_VERSION").write_text("18")
    server.start()
    server.stop()


def test_stop_ends_a_paused_server(server: Server) -> None:
    server.start()
    process = psutil.Process(server.pid)
    server.pause()
    server.stop()
    assert not process.is_running()


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root needs no other user")
def test_postgres_goes_elsewhere_if_its_user_cannot_reach_the_project(
    tmp_path: Path, server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_home, "OUT_OF_REACH", server_folder / "elsewhere")
    monkeypatch.setattr(postgres_home, "can_use", lambda account, path: False)
    server = PostgresServer(tmp_path / "postgres", ports.free_port())
    server.start()
    server.stop()
    assert (tmp_path / "postgres").resolve().parent == server_folder / "elsewhere"
    assert server.programs.is_relative_to(server_folder / "elsewhere")
    again = PostgresServer(tmp_path / "postgres", ports.free_port())
    again.start()
    again.stop()
    assert again.folder == server.folder


@pytest.mark.parametrize("server", [PostgresServer], indirect=True)
def test_postgres_stops_though_somebody_is_connected(server: PostgresServer) -> None:
    server.start()
    server.ensure_database(Database.of("someone"))
    connection = psycopg2.connect(server.uri("someone").replace("+psycopg2", ""))
    process = psutil.Process(server.pid)
    server.stop()
    assert not process.is_running()
    assert "received fast shutdown request" in server.log.read_text()
    connection.close()
