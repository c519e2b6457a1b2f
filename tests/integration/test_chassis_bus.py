"""nameko's RPC, events and shell over the bus, between processes, with stock nameko services."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from nameko import config
from nameko.exceptions import IncorrectSignature, MethodNotFound, RemoteError, UnknownService
from nameko.standalone.rpc import ClusterRpcClient

from chassis.errors import Unavailable
from embedded import ports
from embedded.nats import NatsServer
from tests.processes import ROOT, ServiceProcess, until

Start = Callable[..., ServiceProcess]
SERVICES = "tests.integration.bus_services"
TIMEOUT = 1.0


@pytest.fixture
def settings(nats_url: str) -> dict[str, Any]:
    """Return the least configuration: the address and the deadline."""
    return {"AMQP_URI": nats_url, "RPC_TIMEOUT_SECONDS": TIMEOUT, "STOP_GRACE_SECONDS": 3}


@pytest.fixture
def start(settings: dict[str, Any], tmp_path: Path) -> Iterator[Start]:
    """Start services as processes, and stop them in the end."""
    started: list[ServiceProcess] = []

    def start(*names: str, env: dict[str, str] | None = None, **more: Any) -> ServiceProcess:
        services = [f"{SERVICES}:{name}" for name in names]
        process = ServiceProcess(*services, config=settings | more, folder=tmp_path, env=env)
        started.append(process.start())
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def bus(settings: dict[str, Any]) -> Iterator[Any]:
    """Return nameko's own standalone client."""
    config.update(settings)
    with ClusterRpcClient() as client:
        yield client


def elapsed(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_rpc_calls_between_processes(start: Start, bus: Any) -> None:
    start("Front"), start("Echo")
    until(lambda: bus.front.relay("warm"))
    value = {"text": "ⓤ", "list": [1, 2.5, None, True]}
    assert bus.front.relay(value) == value
    assert bus.front.relay_to("echo", "cluster") == "cluster"


def test_rpc_unknown_service_fails_at_once(bus: Any) -> None:
    with pytest.raises(UnknownService):
        bus.nobody.anything()


def test_rpc_unknown_service_is_told_to_the_caller_of_the_caller(start: Start, bus: Any) -> None:
    start("Front")
    until(lambda: raises(UnknownService, lambda: bus.front.relay("x")) or True)
    with pytest.raises(UnknownService):
        bus.front.relay("x")


def raises(kind: type[Exception], call: Callable[[], Any]) -> Any:
    with pytest.raises(kind):
        call()


def test_rpc_errors_arrive_as_nameko_sends_them(start: Start, bus: Any) -> None:
    start("Echo")
    until(lambda: bus.echo.echo(1))
    with pytest.raises(MethodNotFound):
        bus.echo.no_such_method()
    with pytest.raises(IncorrectSignature):
        bus.echo.echo(1, 2, 3)
    with pytest.raises(RemoteError, match="ValueError"):
        bus.echo.crash()


def test_rpc_ends_at_the_deadline_when_the_peer_is_frozen(start: Start, bus: Any) -> None:
    echo = start("Echo")
    until(lambda: bus.echo.echo(1))
    echo.signal(signal.SIGSTOP)
    took = elapsed(lambda: raises(Unavailable, lambda: bus.echo.echo(2)))
    assert TIMEOUT * 0.9 <= took <= TIMEOUT * 3
    echo.signal(signal.SIGCONT)
    assert until(lambda: bus.echo.echo(3)) == 3


def test_rpc_deadline_travels_to_the_peers_of_the_peer(start: Start, bus: Any) -> None:
    start("Front"), start("Echo")
    until(lambda: bus.front.relay("warm"))
    # Front's own limit is no shorter than ours: it ends with us only if our deadline went along.
    took = elapsed(lambda: raises(Unavailable, lambda: bus.front.relay_slow(3, "long")))
    assert took <= TIMEOUT * 2


def test_rpc_request_past_its_deadline_is_not_executed(start: Start, bus: Any) -> None:
    echo = start("Echo")
    until(lambda: bus.echo.echo(1))
    echo.signal(signal.SIGSTOP)
    raises(Unavailable, lambda: bus.echo.slow(0, "late"))
    echo.signal(signal.SIGCONT)
    assert "late" not in until(lambda: [*bus.echo.called(), "answered"])


def test_rpc_replicas_share_the_work(start: Start, bus: Any) -> None:
    pids = {start("Echo").pid for _ in range(2)}
    assert until(lambda: {bus.echo.who() for _ in range(20)} == pids)


def test_rpc_stop_finishes_what_has_begun_and_hands_on_the_rest(start: Start, bus: Any) -> None:
    echo = start("Echo", SERVICE_CONTAINER_CLS="chassis.container.Container")
    until(lambda: bus.echo.echo(1))
    under_way = [bus.echo.slow.call_async(0.4, tag) for tag in range(5)]
    # Handed out one by one by the server: once this is answered, those before it have arrived.
    bus.echo.echo(2)
    echo.signal(signal.SIGTERM)
    assert [call.result() for call in under_way] == list(range(5))
    assert echo.wait() == 0
    with pytest.raises(UnknownService):
        bus.echo.echo(3)


def test_rpc_heals_when_the_bus_comes_back(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", ports.free_port())
    settings = {"AMQP_URI": server.url, "RPC_TIMEOUT_SECONDS": TIMEOUT}
    echo = ServiceProcess(f"{SERVICES}:Echo", config=settings, folder=tmp_path)
    echo.start()  # before its server
    config.update(settings)
    try:
        with ClusterRpcClient() as bus:
            raises(Unavailable, lambda: bus.echo.echo(0))
            server.start()
            assert until(lambda: bus.echo.echo(1)) == 1
            server.stop()
            until(lambda: raises(Unavailable, lambda: bus.echo.echo(2)) or True)
            assert elapsed(lambda: raises(Unavailable, lambda: bus.echo.echo(2))) <= TIMEOUT * 3
            server.start()
            assert until(lambda: bus.echo.echo(3)) == 3
            assert echo.alive()
    finally:
        echo.stop()
        server.stop()


def test_events_reach_each_kind_of_handler(start: Start, bus: Any) -> None:
    tallies = ["tally_one", "tally_two"]
    start("Front")
    for name in tallies:
        # One process hosts both services, so that its Tally knows what its Listener heard.
        start("Listener", "Tally", env={"TALLY_NAME": name})
    until(lambda: all(bus[name].heard() == [] for name in tallies))
    until(lambda: bus.front.announce("warm", 0) is None)
    bus.front.announce("told", {"n": 1})

    def counted() -> dict[str, int]:
        kinds = [kind for name in tallies for kind, _ in bus[name].heard()]
        return {kind: kinds.count(kind) for kind in ("pool", "singleton", "broadcast")}

    assert until(lambda: sum(counted().values()) == 4)
    assert counted() == {"pool": 1, "singleton": 1, "broadcast": 2}


def test_shell_calls_and_dispatches(start: Start, settings: dict[str, Any], tmp_path: Path) -> None:
    start("Front"), start("Echo")
    path = tmp_path / "shell.yaml"
    path.write_text(yaml.safe_dump(settings))

    def shell() -> str:
        done = subprocess.run(
            [sys.executable, "-m", "nameko", "shell", "--config", str(path)],
            input="print('answer', n.rpc.front.relay('hello'))\nn.dispatch_event('a', 'b', 1)\n",
            capture_output=True,
            text=True,
            timeout=20,
            cwd=ROOT,
            env=os.environ,
            check=True,
        )
        return done.stdout

    assert "answer hello" in until(shell)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (None, b"{}"),
        (None, b"not json"),
        (None, b"\xff\xfe"),
        (None, b"[1, 2]"),
        (None, b'{"args": 5, "kwargs": "x"}'),
        ("not json", b'{"args": [1], "kwargs": {}}'),
        ('["list"]', b'{"args": [1], "kwargs": {}}'),
        ('{"reply_to": 5, "content_type": 7, "headers": 3, "body": 1}', b'{"args": [1]}'),
        ('{"reply_to": "x", "content_type": "application/x-python-serialize"}', b"x"),
        ('{"headers": {"nameko.call_id_stack": 5}}', b'{"args": [1], "kwargs": {}}'),
        ('{"headers": {"nameko.deadline": "soon"}}', b'{"args": [1], "kwargs": {}}'),
        ('{"headers": {"compression": "no such"}}', b'{"args": [1], "kwargs": {}}'),
        ("[" * 5000, b'{"args": [1], "kwargs": {}}'),
    ],
)
def test_a_hostile_message_does_not_end_the_service(
    start: Start, bus: Any, nats_url: str, headers: str | None, body: bytes
) -> None:
    from chassis import nats

    echo = start("Echo", SERVICE_CONTAINER_CLS="chassis.container.Container")
    until(lambda: bus.echo.echo(1))
    given = None if headers is None else {"Kombu-Properties": headers}
    connection = nats.connection(nats_url)
    connection.publish("nameko-rpc.echo.echo", body, headers=given)
    connection.flush(2)
    assert [bus.echo.echo(n) for n in range(3)] == [0, 1, 2]
    assert echo.alive()
