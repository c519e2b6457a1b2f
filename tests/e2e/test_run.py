"""``make run``: nothing left behind, nothing forgotten, and one line for what is in the way."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from embedded import binaries, migrations, servers
from embedded.postgres import PostgresServer
from embedded.server import Server
from embedded.settings import Settings
from tests.e2e.system import ROOT, STOP_SECONDS, System, eventually, is_alive

SERVICES = ("gateway", "link_svc", "news_svc", "social_graph_svc", "user_svc")


def test_ctrl_c_leaves_no_process_and_a_second_run_has_the_data(own_system: System) -> None:
    own_system.start()
    own_system.api("alice").add_link("https://example.org/kept")
    processes = own_system.processes()
    assert own_system.stop() == 0
    assert own_system.said().endswith("stopped\n")
    assert not any(is_alive(process) for process in processes)

    own_system.start()
    links = own_system.api("alice").links()["links"]
    assert [link["Url"] for link in links] == ["https://example.org/kept"]


def test_killed_runner_leaves_no_process(own_system: System) -> None:
    own_system.start()
    processes = own_system.processes()
    own_system.stop(signal.SIGKILL)
    assert eventually(lambda: not any(is_alive(process) for process in processes), STOP_SECONDS)


def test_second_run_says_that_the_ports_are_in_use(system: System) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "embedded", "run"],
        cwd=ROOT,
        env=system.env,
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert "is in use" in line


def test_taken_port_is_told_in_one_line(own_system: System) -> None:
    with socket.create_server(("127.0.0.1", own_system.port("HTTP_PORTS.user_svc"))):
        process = own_system.launch()
        assert process.wait(STOP_SECONDS) == 1
    (line,) = own_system.said().splitlines()
    assert f"port {own_system.port('HTTP_PORTS.user_svc')} is in use, and user_svc wants it" in line
    assert "USER_MANAGER_PORT_NUMBER" in line


def test_killed_service_is_started_again(system: System) -> None:
    system.restart("user_svc")
    assert "user_svc was killed by SIGKILL; starting it again" in system.said()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("", "who? For example: make token USER=alice\n"),
        ("a b", "the identity provider does not take 'a b' for a name (status 400)\n"),
    ],
)
def test_token_for_no_name_is_told_in_one_line(system: System, name: str, line: str) -> None:
    command = [sys.executable, "-m", "embedded", "token", name]
    done = subprocess.run(command, cwd=ROOT, env=system.env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_token_without_a_system_is_told_in_one_line(own_system: System) -> None:
    command = [sys.executable, "-m", "embedded", "token", "alice"]
    done = subprocess.run(command, cwd=ROOT, env=own_system.env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("start the system with 'make run'\n")


@pytest.fixture
def lonely_services(own_system: System, tmp_path: Path) -> Iterator[dict[str, int]]:
    """Start each service by itself, with no server to lean on; return their HTTP ports."""
    with ExitStack() as stack:
        for service in SERVICES:
            log = stack.enter_context((tmp_path / f"{service}.log").open("wb"))
            process = subprocess.Popen(
                [
                    *(sys.executable, binaries.script("nameko"), "run"),
                    *("--config", "config.yaml", f"{service}.service"),
                ],
                cwd=ROOT,
                env=own_system.env,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait, STOP_SECONDS)
            stack.callback(process.kill)
        yield {service: own_system.port(f"HTTP_PORTS.{service}") for service in SERVICES}


@pytest.fixture
def late_servers(own_system: System, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Server]]:
    """Return the servers that the configuration wants, which are not started."""
    for name, value in own_system.env.items():
        monkeypatch.setenv(name, value)
    late = [server for server, _ in servers.wanted(Settings(ROOT))]
    yield late
    for server in late:
        server.stop()


def test_services_wait_for_the_servers(
    lonely_services: dict[str, int], late_servers: list[Server]
) -> None:
    for service, port in lonely_services.items():
        assert eventually(lambda port=port: _health(port, "live") == 200, 30), service
        assert _health(port, "ready") == 503, service
    for server in late_servers:
        server.start()
        if isinstance(server, PostgresServer):
            for database in servers.databases(Settings(ROOT)):
                server.ensure_database(database)
    migrations.upgrade(Settings(ROOT), lambda: None)
    for service, port in lonely_services.items():
        assert eventually(lambda port=port: _health(port, "ready") == 200, 30), service


def _health(port: int, what: str) -> int:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/{what}", timeout=5).status_code
    except OSError:
        return 0
