"""Two replicas of every service on the same servers, and a balancer before those that have ports.

Each node is a runner of its own, which starts again what ends, as a kubelet does. The balancer does
what Kubernetes does with Pods: none that is to be stopped, or is not ready, gets a new connection.
"""

import asyncio
import itertools
import signal
import sys
import time
from pathlib import Path

import psutil
import requests

from embedded.ports import LOOPBACK
from tests.e2e.survival import SERVICES, parts
from tests.e2e.system import System
from tests.faults.proxy import Proxy
from tests.processes import until

DATABASES = ("link_svc", "social_graph_svc", "user_svc")
HEALTH = {name: f"HTTP_PORTS.{name}" for name in SERVICES}
BALANCED = {"gateway": "HTTP_PORTS.gateway", "news_svc": "GRPC_BIND_PORT"}
READY_SECONDS = 60.0


class Balancer(Proxy):
    """Give each connection to the next of some ports; to another one where that is refused."""

    def __init__(self) -> None:
        super().__init__(0)
        self.targets: list[int] = []
        self._turn = itertools.count()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        targets, turn = list(self.targets), next(self._turn)
        for at in range(len(targets)):
            try:
                return await asyncio.open_connection(LOOPBACK, targets[(turn + at) % len(targets)])
            except ConnectionRefusedError:
                continue
        raise ConnectionRefusedError


class Node(System):
    """The five services on one machine of several."""

    def __init__(self, folder: Path, news: Balancer) -> None:
        folder.mkdir()
        folder.chmod(0o755)
        super().__init__(folder)
        self.command = [sys.executable, "-m", "tests.faults.own_environments"]
        self.env |= {
            "NEWS_GRPC_TARGET": f"http://{LOOPBACK}:{news.port}",
            "SESSION_SECRET": "the same for every replica of the gateway",
            "TOKEN_CACHE_SECONDS": "0.001",
        }

    def ready(self, service: str) -> bool:
        """Tell whether a service here has all that it needs."""
        url = f"http://{LOOPBACK}:{self.port(HEALTH[service])}/health/ready"
        try:
            return requests.get(url, timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def replica(self, service: str) -> psutil.Process:
        """Return a service's process, as soon as it lives."""
        found: psutil.Process = until(lambda: parts(self).get(service), READY_SECONDS)
        return found

    def number(self, service: str, metric: str) -> float:
        """Return the sum of a metric over its labels."""
        key = "METRICS_PORTS.gateway" if service == "gateway" else HEALTH[service]
        text = requests.get(f"http://{LOOPBACK}:{self.port(key)}/metrics", timeout=5).text
        lines = (
            line for line in text.splitlines() if line.startswith((f"{metric}{{", f"{metric} "))
        )
        return sum(float(line.rpartition(" ")[2]) for line in lines)


def elsewhere(node: Node, first: Node) -> None:
    """Have a node use the servers of the first one."""
    nats = f"nats://{LOOPBACK}:{first.port('EMBEDDED.NATS_PORT')}"
    valkey = f"redis://{LOOPBACK}:{first.port('EMBEDDED.VALKEY_PORT')}/0"
    node.env |= {"AMQP_URI": nats, "NATS_URL": nats, "REDIS_URL": valkey}
    at = f"{LOOPBACK}:{first.port('EMBEDDED.POSTGRES_PORT')}"
    for name in DATABASES:
        prefix = name.removesuffix("_svc").upper()
        node.env[f"{prefix}_DB_URI"] = f"postgresql+psycopg2://{name}@{at}/{name}"
        node.env[f"{prefix}_DB_OWNER_URI"] = f"postgresql+psycopg2://{name}_owner@{at}/{name}"


class Replicas:
    """The system with two replicas of everything; callers come by the balancer."""

    def __init__(self, folder: Path) -> None:
        self.balancers = {name: Balancer() for name in BALANCED}
        news = self.balancers["news_svc"]
        self.nodes = [Node(folder / name, news) for name in ("a", "b")]
        elsewhere(self.nodes[1], self.nodes[0])
        self.url = f"http://{LOOPBACK}:{self.balancers['gateway'].port}"

    def start(self) -> None:
        """Start everything, and wait until it is ready."""
        for balancer in self.balancers.values():
            balancer.start()
        for node in self.nodes:
            self.join(node, "news_svc")  # a gateway is not ready without
            node.start()
            self.join(node, "gateway")

    def stop(self) -> None:
        """Stop everything."""
        for node in reversed(self.nodes):
            node.stop()
        for balancer in self.balancers.values():
            balancer.stop()

    def join(self, node: Node, service: str) -> None:
        """Let a replica have connections."""
        if service in BALANCED:
            self.balancers[service].targets.append(node.port(BALANCED[service]))

    def leave(self, node: Node, service: str) -> None:
        """Let a replica have no new connection."""
        if service in BALANCED:
            self.balancers[service].targets.remove(node.port(BALANCED[service]))

    def restart(self, node: Node, service: str) -> float:
        """Restart a replica as a roll-out does; return how many seconds it took to end."""
        process, said = node.replica(service), len(node.said())
        self.leave(node, service)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)
        seconds = time.monotonic() - began
        until(lambda: f"{service} ended with status 0" in node.said()[said:])
        until(
            lambda: node.replica(service).pid != process.pid and node.ready(service), READY_SECONDS
        )
        self.join(node, service)
        return seconds


STOP_SECONDS = 30.0
