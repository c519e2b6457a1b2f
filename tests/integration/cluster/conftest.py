"""A cluster of three nodes, whole at the beginning of each test, and services that use it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nats_cluster import Cluster
from tests.processes import ServiceProcess

SERVICES = "tests.integration.cluster.services"
RPC_TIMEOUT_SECONDS = 2

Start = Callable[..., ServiceProcess]


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(own_cluster: Cluster) -> Cluster:
    """Return the cluster, with all of its nodes."""
    own_cluster.start()
    return own_cluster


def settings(cluster: Cluster, user: str, **more: Any) -> dict[str, Any]:
    """Return the least configuration of a service."""
    return {
        "AMQP_URI": cluster.uri(user),
        "NATS_URL": cluster.uri(user),
        "STREAM_REPLICAS": 3,
        "RPC_TIMEOUT_SECONDS": RPC_TIMEOUT_SECONDS,
        "STOP_GRACE_SECONDS": 3,
        "SERVICE_CONTAINER_CLS": "chassis.container.Container",
        **more,
    }


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Start]:
    """Start a service as a process with the NATS user of its name."""
    started: list[ServiceProcess] = []

    def start(
        service: str, user: str, env: dict[str, str] | None = None, **more: Any
    ) -> ServiceProcess:
        config = settings(cluster, user, **more)
        process = ServiceProcess(f"{SERVICES}:{service}", config=config, folder=tmp_path, env=env)
        started.append(process.start())
        return process

    yield start
    for process in started:
        process.stop()
