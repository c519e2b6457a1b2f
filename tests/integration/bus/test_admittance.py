"""NATS lets in who has the right password and, where TLS is wanted, the right certificate.

Whoever is kept out says why in one line, is live and not ready, and is ready once that is mended.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from nameko import config
from nameko.exceptions import UnknownService
from nameko.standalone.rpc import ClusterRpcClient

from chassis import nats
from embedded import ports
from embedded.server import HOST
from tests.certificates import Authority, Certificate
from tests.nats_cluster import Node
from tests.processes import ServiceProcess, until

SERVICES = "tests.integration.bus.guarded_services"
TRIES = 4
Settings = dict[str, Any]


class Watched:
    """A service that says whether it is ready."""

    def __init__(self, folder: Path, uri: str, **files: str) -> None:
        self.url = f"http://{HOST}:{(port := ports.free_port())}"
        settings = {
            "AMQP_URI": uri,
            "NATS_URL": uri,
            "RPC_TIMEOUT_SECONDS": 1,
            "STOP_GRACE_SECONDS": 3,
            "SERVICE_CONTAINER_CLS": "chassis.container.Container",
            "BIND_HOST": HOST,
            "HTTP_PORTS": {"user_svc": port},
            "REQUEST_READ_SECONDS": 5,
            "EXCHANGE_SECONDS": 60,
            "KEEP_ALIVE_SECONDS": 60,
            "MAX_CONNECTIONS": 50,
            "MAX_BODY_BYTES": 1000,
            "MAX_HEADER_LINE_BYTES": 1000,
            "MAX_HEADER_BYTES": 4000,
            "LOGGING": {"version": 1, "root": {"level": "INFO", "handlers": ["console"]}}
            | {"handlers": {"console": {"class": "logging.StreamHandler"}}},
            **files,
        }
        self.process = ServiceProcess(f"{SERVICES}:Watched", config=settings, folder=folder)

    def status(self, page: str) -> int:
        return requests.get(f"{self.url}/health/{page}", timeout=5).status_code

    def waits_for(self) -> list[str]:
        found: list[str] = requests.get(f"{self.url}/health/ready", timeout=5).json()["waiting_for"]
        return found

    def said(self) -> list[str]:
        return [line for line in self.process.log.read_text().splitlines() if "NATS" in line]


Watch = Callable[..., Watched]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    started: list[Watched] = []

    def watch(uri: str, **files: str) -> Watched:
        started.append(watched := Watched(tmp_path, uri, **files))
        watched.process.start()
        until(lambda: watched.status("live") == 200)
        return watched

    yield watch
    for watched in started:
        watched.process.stop()


def running(node: Node) -> Iterator[Node]:
    node.start()
    yield node
    node.stop()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    yield from running(Node(tmp_path / "nats"))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like that of the Secret in Kubernetes: ca.crt, tls.crt and tls.key."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(tls: Path) -> Authority:
    return Authority(tls, "ca")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "ca")


@pytest.fixture
def secure(tmp_path: Path, tls: Path, authority: Authority) -> Iterator[Node]:
    """Return a server that speaks TLS alone, and wants to see its clients' certificates."""
    authority.issue("tls", HOST)
    yield from running(Node(tmp_path / "nats", tls=tls))


@pytest.fixture
def own(authority: Authority) -> Settings:
    """Return what a service needs to be let in."""
    return files(authority.ca, authority.issue("service", "service"))


def files(ca: str, shown: Certificate | None) -> Settings:
    own = {"NATS_TLS_CERT_FILE": shown.cert, "NATS_TLS_KEY_FILE": shown.key} if shown else {}
    return {"NATS_TLS_CA_FILE": ca, **own}


def tried(node: Node, times: int) -> None:
    """Wait until clients have tried so often to get in."""
    before = node.ask("/varz")["total_connections"]
    until(lambda: node.ask("/varz")["total_connections"] >= before + times)


def verify(node: Node, settings: Settings) -> Any:
    """Call the service as ``nameko shell`` does."""
    config.update({"AMQP_URI": node.uri("operator"), "RPC_TIMEOUT_SECONDS": 1, **settings})
    with ClusterRpcClient() as bus:
        return bus.user_svc.verify_token("alice")


@pytest.fixture
def leave() -> Iterator[Callable[[Node], None]]:
    """Let this process's connections to a server end with the test."""
    nodes: list[Node] = []
    yield nodes.append
    for node in nodes:
        nats.connection(node.uri("operator")).close(1)


def test_service_with_a_wrong_password_is_ready_once_it_is_right(node: Node, watch: Watch) -> None:
    node.stop()
    node.passwords["user_svc"] = "another"
    node.start()
    watched = watch(node.uri("user_svc"))
    tried(node, TRIES)
    assert watched.status("live") == 200
    assert watched.status("ready") == 503
    assert watched.waits_for() == ["NATS"]
    (line,) = watched.said()
    assert "NATS refused the user user_svc (authorization violation)" in line
    node.stop()
    node.passwords["user_svc"] = "pwusersvc"
    node.start()
    until(lambda: watched.status("ready") == 200)
    assert "pwusersvc" not in watched.process.log.read_text()


def test_calls_go_over_tls_also_after_the_server_was_killed(
    secure: Node, own: Settings, watch: Watch, leave: Callable[[Node], None]
) -> None:
    leave(secure)
    watched = watch(secure.uri("user_svc"), **own)
    until(lambda: watched.status("ready") == 200)
    assert verify(secure, own) == {"username": "alice"}
    secure.kill()
    secure.start()
    assert until(lambda: verify(secure, own)) == {"username": "alice"}
    until(lambda: watched.status("ready") == 200)


@pytest.mark.parametrize("wrong", ["authority", "certificate", "name"])
def test_who_is_not_trusted_says_so_once(
    secure: Node, authority: Authority, stranger: Authority, watch: Watch, wrong: str
) -> None:
    shown = authority.issue("service", "service")
    uri = secure.uri("user_svc")
    if wrong == "name":
        uri = uri.replace(HOST, "localhost")
    given = {
        "authority": files(stranger.ca, shown),
        "certificate": files(authority.ca, None),
        "name": files(authority.ca, shown),
    }[wrong]
    watched = watch(uri, **given)
    tried(secure, TRIES)
    assert watched.status("live") == 200
    assert watched.waits_for() == ["NATS"]
    (line,) = (line for line in watched.said() if "no TLS with NATS (" in line)
    assert "NATS_TLS_C" in line


def test_password_is_not_said_to_a_server_without_tls(node: Node, own: Settings) -> None:
    config.update(own)
    connection = nats.connection(node.uri("operator"))
    try:
        assert not connection.wait_connected(1)
        assert node.ask("/connz")["total"] == 0
    finally:
        connection.close(1)
    config.update(dict.fromkeys(own, ""))
    with pytest.raises(UnknownService):  # by itself, the server would have let it in
        verify(node, {})
    nats.connection(node.uri("operator")).close(1)


def test_file_that_is_none_stops_the_start(node: Node, tmp_path: Path) -> None:
    given = {"NATS_TLS_CA_FILE": str(tmp_path / "nowhere.crt")}
    watched = Watched(tmp_path, node.uri("user_svc"), **given)
    assert watched.process.start().wait() != 0
    assert "NATS_TLS_CA_FILE: cannot read" in watched.process.log.read_text()
    assert json.dumps(given["NATS_TLS_CA_FILE"])[1:-1] in watched.process.log.read_text()
