"""What the bus over NATS promises beyond nameko: deadlines, healing, a clean stop, a thick skin."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nameko import config
from nameko.exceptions import UnknownService
from nameko.standalone.rpc import ClusterRpcClient

from chassis import nats
from chassis.errors import Unavailable
from embedded import ports
from embedded.nats import NatsServer
from tests.integration.bus import SERVICES, TIMEOUT
from tests.processes import ServiceProcess, until

Start = Callable[..., ServiceProcess]


def raises(kind: type[Exception], call: Callable[[], Any]) -> Any:
    with pytest.raises(kind):
        call()


def elapsed(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


@pytest.fixture(params=["nameko.containers.ServiceContainer", "chassis.container.Container"])
def container(request: pytest.FixtureRequest) -> str:
    """Return what runs a stock service: nameko's way by kombu, or the short one."""
    return str(request.param)


def test_rpc_unknown_service_is_told_to_the_caller_of_the_caller(
    start: Start, bus: Any, container: str
) -> None:
    start("Front", SERVICE_CONTAINER_CLS=container)
    until(lambda: raises(UnknownService, lambda: bus.front.relay("x")) or True)
    with pytest.raises(UnknownService):
        bus.front.relay("x")


def test_rpc_ends_at_the_deadline_when_the_peer_is_frozen(start: Start, bus: Any) -> None:
    echo = start("Echo")
    until(lambda: bus.echo.echo(1))
    echo.signal(signal.SIGSTOP)
    took = elapsed(lambda: raises(Unavailable, lambda: bus.echo.echo(2)))
    assert TIMEOUT * 0.9 <= took <= TIMEOUT * 3
    echo.signal(signal.SIGCONT)
    assert until(lambda: bus.echo.echo(3)) == 3


def test_rpc_deadline_travels_to_the_peers_of_the_peer(
    start: Start, bus: Any, container: str
) -> None:
    start("Front", SERVICE_CONTAINER_CLS=container), start("Echo")
    until(lambda: bus.front.relay("warm"))
    # Front's own limit is no shorter than ours: it ends with us only if our deadline went along.
    took = elapsed(lambda: raises(Unavailable, lambda: bus.front.relay_slow(3, "long")))
    assert took <= TIMEOUT * 2


def test_rpc_request_past_its_deadline_is_not_executed(
    start: Start, bus: Any, container: str
) -> None:
    echo = start("Echo", SERVICE_CONTAINER_CLS=container)
    until(lambda: bus.echo.echo(1))
    echo.signal(signal.SIGSTOP)
    raises(Unavailable, lambda: bus.echo.slow(0, "late"))
    echo.signal(signal.SIGCONT)
    assert "late" not in until(lambda: [*bus.echo.called(), "answered"])


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


def test_rpc_requests_wait_for_a_worker_until_their_deadline(start: Start, bus: Any) -> None:
    start("Echo", SERVICE_CONTAINER_CLS="chassis.container.Container", max_workers=2)
    until(lambda: bus.echo.echo(1))
    with ClusterRpcClient(context_data={"deadline": time.time() + TIMEOUT}) as caller:
        calls = [caller.echo.slow.call_async(TIMEOUT * 0.6, tag) for tag in range(20)]

        def outcome(call: Any) -> Any:
            try:
                return call.result()
            except Unavailable as error:
                return error.code

        # Two are done in time, two have begun, and nobody begins with those whose caller has left.
        assert [outcome(call) for call in calls][:2] == [0, 1]
    assert until(lambda: bus.echo.echo("free again")) == "free again"
    begun = bus.echo.called()
    assert begun[:2] == [0, 1]
    assert len(begun) <= 6  # two more at the deadline itself


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
    echo = start("Echo", SERVICE_CONTAINER_CLS="chassis.container.Container")
    until(lambda: bus.echo.echo(1))
    given = None if headers is None else {"Kombu-Properties": headers}
    connection = nats.connection(nats_url)
    connection.publish("nameko-rpc.echo.echo", body, headers=given)
    connection.flush(2)
    assert [bus.echo.echo(n) for n in range(3)] == [0, 1, 2]
    assert echo.alive()
