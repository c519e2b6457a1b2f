"""nameko's RPC, events and shell between processes: the same over NATS and over RabbitMQ."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from nameko.exceptions import IncorrectSignature, MethodNotFound, RemoteError, UnknownService

from tests.integration.bus import rabbitmq
from tests.processes import ROOT, ServiceProcess, until

Start = Callable[..., ServiceProcess]

SHELL = """\
print('answer', n.rpc.front.relay('hello'))
n.dispatch_event('front', 'unheard', 1)
"""


@pytest.fixture(scope="session")
def rabbitmq_uri() -> Iterator[str]:
    """Return the address of a RabbitMQ of our own, where its server is installed."""
    if not rabbitmq.installed():
        pytest.skip("RabbitMQ is not installed: nameko over amqp:// is left out")
    with rabbitmq.running() as uri:
        yield uri


@pytest.fixture(params=["nats", "nats without kombu", "amqp"])
def way(request: pytest.FixtureRequest) -> str:
    """Return how calls go; without kombu between services of ours, and with it to the client."""
    return str(request.param)


@pytest.fixture
def broker_uri(request: pytest.FixtureRequest, way: str) -> str:
    """Return the address of one bus, and then of the other."""
    uri: str = request.getfixturevalue("rabbitmq_uri" if way == "amqp" else "nats_url")
    return uri


@pytest.fixture
def settings(settings: dict[str, Any], way: str) -> dict[str, Any]:
    """Return the configuration, with our container where calls go without kombu."""
    ours = {"SERVICE_CONTAINER_CLS": "chassis.container.Container"}
    return settings | ours if way == "nats without kombu" else settings


def test_rpc_calls_between_processes(start: Start, bus: Any) -> None:
    start("Front"), start("Echo")
    until(lambda: bus.front.relay("warm"))
    value = {"text": "ⓤ", "list": [1, 2.5, None, True]}
    assert bus.front.relay(value) == value
    assert bus.front.relay_to("echo", "cluster") == "cluster"


def test_rpc_unknown_service_fails_at_once(bus: Any) -> None:
    with pytest.raises(UnknownService):
        bus.nobody.anything()


def test_rpc_errors_arrive_as_nameko_sends_them(start: Start, bus: Any) -> None:
    start("Echo")
    until(lambda: bus.echo.echo(1))
    with pytest.raises(MethodNotFound):
        bus.echo.no_such_method()
    with pytest.raises(IncorrectSignature):
        bus.echo.echo(1, 2, 3)
    with pytest.raises(RemoteError, match="ValueError"):
        bus.echo.crash()


def test_rpc_replicas_share_the_work(start: Start, bus: Any) -> None:
    pids = {start("Echo").pid for _ in range(2)}
    assert until(lambda: {bus.echo.who() for _ in range(20)} == pids)


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
            input=SHELL,
            capture_output=True,
            text=True,
            timeout=20,
            cwd=ROOT,
            env=os.environ,
            check=True,
        )
        return done.stdout

    assert "answer hello" in until(shell)
