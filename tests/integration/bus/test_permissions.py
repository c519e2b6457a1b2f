"""Each service has its own NATS user, which may say and hear only what the service needs."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from nameko import config
from nameko.exceptions import UnknownService
from nameko.standalone.rpc import ClusterRpcClient

from chassis import nats, streams
from chassis.errors import Unavailable
from chassis.events.letters import DeadLetter
from chassis.streams import deliveries, reads
from news_svc.erasure import Erasure
from tests.nats_cluster import USERS, Node
from tests.processes import ROOT, ServiceProcess, until

SERVICES = "tests.integration.bus.guarded_services"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a NATS server with the configuration and the users of the manifests."""
    node = Node(tmp_path_factory.mktemp("guarded") / "nats")
    node.start()
    yield node
    node.stop()


@pytest.fixture
def users(node: Node, tmp_path: Path) -> Iterator[ServiceProcess]:
    """Run user_svc as its own NATS user."""
    settings = {"AMQP_URI": node.uri("user_svc"), "RPC_TIMEOUT_SECONDS": 1}
    process = ServiceProcess(f"{SERVICES}:Users", config=settings, folder=tmp_path)
    yield process.start()
    process.stop()


def client_of(node: Node, user: str) -> ClusterRpcClient:
    """Return a client that listens where only this user may."""
    config.update({"AMQP_URI": node.uri(user), "RPC_TIMEOUT_SECONDS": 1})
    client = ClusterRpcClient()
    queue = client.reply_listener.queue
    queue.name = queue.name.replace("standalone_rpc_client", user)
    return client


def verify(node: Node, user: str) -> Any:
    with client_of(node, user) as bus:
        return bus.user_svc.verify_token("alice")


def test_the_gateway_may_ask_who_a_token_belongs_to(node: Node, users: ServiceProcess) -> None:
    assert until(lambda: verify(node, "gateway")) == {"username": "alice"}


def test_news_may_not(node: Node, users: ServiceProcess) -> None:
    until(lambda: verify(node, "gateway"))
    with pytest.raises(Unavailable):
        verify(node, "news_svc")


def test_news_may_ask_for_followers(node: Node) -> None:
    with client_of(node, "news_svc") as bus, pytest.raises(UnknownService):
        bus.social_graph_svc.get_followers("alice")  # nobody runs it here, and NATS says so


@pytest.mark.parametrize(
    ("user", "stream", "durable"),
    [
        ("news_svc", "link-events", "news"),
        ("news_svc", "follow-events", "news-follows"),
        ("news_svc", "user-events", "news-users"),
        ("link_svc", "user-events", "links"),
        ("social_graph_svc", "user-events", "follows"),
    ],
)
def test_a_reader_may_read_its_stream_and_ask_how_far_behind_it_is(
    node: Node, user: str, stream: str, durable: str
) -> None:
    config.update({"NATS_URL": node.uri(user), "STREAM_REPLICAS": 1})
    until(lambda: streams.ensure_consumer(stream, durable, 1, timeout=2) >= 0)
    assert reads.backlog(stream, durable, timeout=5) == (0, 0, 0)
    pull = deliveries.Pull(stream, durable)
    assert pull.next() is None  # a heartbeat
    pull.close()
    nats.streams().close(1)


def test_news_erases_whoever_has_left(node: Node) -> None:
    config.update({"NATS_URL": node.uri("news_svc"), "STREAM_REPLICAS": 1})
    names = {"links": ("link-events", "news"), "follows": ("follow-events", "news-follows")}
    for stream, durable in names.values():
        until(lambda s=stream, d=durable: streams.ensure_consumer(s, d, 1, timeout=2) >= 0)
    Erasure(Mock(), **names).erase("bob")
    for stream in ("follow-events", "dead-letters"):
        streams.delete(stream, 1, timeout=2)
    nats.streams().close(1)


def test_news_buries_what_the_operator_reads_and_deletes(node: Node) -> None:
    config.update({"NATS_URL": node.uri("news_svc"), "STREAM_REPLICAS": 1})
    letter = DeadLetter("news_svc", "link-events", "news", 7, "a reason", b"{}")
    until(lambda: letter.bury() is None)
    nats.streams().close(1)
    config["NATS_URL"] = node.uri("operator")
    (stored,) = until(lambda: reads.after("dead-letters", 0, 10, timeout=2))
    assert DeadLetter.of(stored) == letter
    streams.delete("dead-letters", stored.sequence, timeout=5)
    assert reads.after("dead-letters", 0, 10, timeout=5) == []
    nats.streams().close(1)


@pytest.mark.parametrize(
    ("user", "stream"),
    [
        ("user_svc", "user-events"),
        ("link_svc", "dead-letters"),
        ("social_graph_svc", "dead-letters"),
    ],
)
def test_a_writer_may_write_its_stream(node: Node, user: str, stream: str) -> None:
    config.update({"NATS_URL": node.uri(user), "STREAM_REPLICAS": 1})
    until(lambda: streams.publish(stream, f"{stream}.x", b"{}", f"{user}-1", 2))
    nats.streams().close(1)


def test_nobody_overhears_an_answer(node: Node, users: ServiceProcess) -> None:
    heard: list[Any] = []
    spies = [nats.connection(node.uri(user)) for user in USERS if user != "gateway"]
    for spy in spies:
        assert spy.wait_connected(5)
        for subject in ("nameko-rpc.reply.>", "nameko-rpc.>", "_INBOX.>", "_INBOX.gateway.>", ">"):
            spy.subscribe(subject, heard.append)
        spy.flush(2)
    until(lambda: verify(node, "gateway"))
    for spy in spies:
        spy.flush(2)
        spy.close(1)
    assert heard == []


SHELL = "print('answer', n.rpc.user_svc.verify_token('alice'))"


def test_the_operator_calls_services_from_the_shell(
    node: Node, users: ServiceProcess, tmp_path: Path
) -> None:
    path = tmp_path / "shell.yaml"
    path.write_text(yaml.safe_dump({"AMQP_URI": node.uri("operator"), "RPC_TIMEOUT_SECONDS": 2}))

    def shell() -> str:
        command = [sys.executable, "-m", "nameko", "shell", "--config", str(path)]
        return subprocess.run(
            command, input=SHELL, capture_output=True, text=True, timeout=20, cwd=ROOT, check=True
        ).stdout

    assert "answer {'username': 'alice'}" in until(shell)


def test_the_operator_takes_nobodys_part(
    node: Node, users: ServiceProcess, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []
    operator = nats.connection(node.uri("operator"))
    assert operator.wait_connected(5)
    for subject in ("nameko-rpc.user_svc.*", "nameko-rpc.reply.gateway.*", "link-events.>", ">"):
        operator.subscribe(subject, heard.append)
    operator.publish("link-events.alice", b"{}")
    operator.flush(2)
    until(lambda: verify(node, "gateway"))
    operator.flush(2)
    operator.close(1)
    assert heard == []
    assert 'permissions violation for publish to "link-events.alice"' in caplog.text.lower()


@pytest.mark.parametrize("credentials", ["", "gateway:wrong@", "stranger:x@"])
def test_a_stranger_cannot_connect(node: Node, credentials: str) -> None:
    stranger = nats.connection(f"nats://{credentials}127.0.0.1:{node.port}")
    assert not stranger.wait_connected(1)
    stranger.close(1)
