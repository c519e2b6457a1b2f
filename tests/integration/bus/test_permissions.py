"""Each service has its own NATS user, which may say and hear only what the service needs."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nameko import config
from nameko.exceptions import UnknownService
from nameko.standalone.rpc import ClusterRpcClient

from chassis import nats
from chassis.errors import Unavailable
from embedded import binaries, ports
from embedded.server import first_line
from tests.processes import ROOT, ServiceProcess, until

USERS = ("gateway", "link_svc", "social_graph_svc", "user_svc", "news_svc")
SERVICES = "tests.integration.bus.guarded_services"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of a NATS server with the users of the manifests."""
    folder = tmp_path_factory.mktemp("guarded")
    port = ports.free_port()
    (folder / "nats.conf").write_text(
        f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}" }}\n'
        f'include "{ROOT.resolve()}/k8s/servers/nats/users.conf"\n'.replace(
            str(ROOT.resolve()), _relative(folder)
        )
    )
    environment = {f"NATS_PASSWORD_{user.upper()}": f"pw{user}".replace("_", "") for user in USERS}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(binaries.nats_server()), "--config", str(folder / "nats.conf")],
            env=environment,
            stdout=log,
            stderr=log,
        )
    until(lambda: first_line(port).startswith(b"INFO "))
    yield port
    server.terminate()
    server.wait(10)


def _relative(folder: Path) -> str:
    return "/".join([".."] * (len(folder.resolve().parts) - 1) + list(ROOT.resolve().parts[1:]))


def uri(port: int, user: str) -> str:
    return f"nats://{user}:pw{user.replace('_', '')}@127.0.0.1:{port}"


@pytest.fixture
def users(port: int, tmp_path: Path) -> Iterator[ServiceProcess]:
    """Run user_svc as its own NATS user."""
    settings = {"AMQP_URI": uri(port, "user_svc"), "RPC_TIMEOUT_SECONDS": 1}
    process = ServiceProcess(f"{SERVICES}:Users", config=settings, folder=tmp_path)
    yield process.start()
    process.stop()


def client_of(port: int, user: str) -> ClusterRpcClient:
    """Return a client that listens where only this user may."""
    config.update({"AMQP_URI": uri(port, user), "RPC_TIMEOUT_SECONDS": 1})
    client = ClusterRpcClient()
    queue = client.reply_listener.queue
    queue.name = queue.name.replace("standalone_rpc_client", user)
    return client


def verify(port: int, user: str) -> Any:
    with client_of(port, user) as bus:
        return bus.user_svc.verify_token("alice")


def test_the_gateway_may_ask_who_a_token_belongs_to(port: int, users: ServiceProcess) -> None:
    assert until(lambda: verify(port, "gateway")) == {"username": "alice"}


def test_news_may_not(port: int, users: ServiceProcess) -> None:
    until(lambda: verify(port, "gateway"))
    with pytest.raises(Unavailable):
        verify(port, "news_svc")


def test_news_may_ask_for_followers(port: int) -> None:
    with client_of(port, "news_svc") as bus, pytest.raises(UnknownService):
        bus.social_graph_svc.get_followers("alice")  # nobody runs it here, and NATS says so


def test_nobody_overhears_an_answer(port: int, users: ServiceProcess) -> None:
    heard: list[Any] = []
    spies = [nats.connection(uri(port, user)) for user in USERS if user != "gateway"]
    for spy in spies:
        assert spy.wait_connected(5)
        for subject in ("nameko-rpc.reply.>", "nameko-rpc.>", "_INBOX.>", "_INBOX.gateway.>", ">"):
            spy.subscribe(subject, heard.append)
        spy.flush(2)
    until(lambda: verify(port, "gateway"))
    for spy in spies:
        spy.flush(2)
        spy.close(1)
    assert heard == []


@pytest.mark.parametrize("credentials", ["", "gateway:wrong@", "stranger:x@"])
def test_a_stranger_cannot_connect(port: int, credentials: str) -> None:
    stranger = nats.connection(f"nats://{credentials}127.0.0.1:{port}")
    assert not stranger.wait_connected(1)
    stranger.close(1)
