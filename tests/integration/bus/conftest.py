"""Stock nameko services on a bus, as processes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nameko import config
from nameko.standalone.rpc import ClusterRpcClient

from tests.integration.bus import SERVICES, TIMEOUT
from tests.processes import ServiceProcess

Start = Callable[..., ServiceProcess]


@pytest.fixture
def broker_uri(nats_url: str) -> str:
    """Return the address of the bus; a module may choose another."""
    return nats_url


@pytest.fixture
def settings(broker_uri: str) -> dict[str, Any]:
    """Return the least configuration: the address and the deadline."""
    return {"AMQP_URI": broker_uri, "RPC_TIMEOUT_SECONDS": TIMEOUT, "STOP_GRACE_SECONDS": 3}


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
