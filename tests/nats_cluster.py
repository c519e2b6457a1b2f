"""NATS on the very files that Kubernetes mounts: one node, or the three of production.

Only what belongs to a Pod differs: the folder of the data, addresses, names of hosts.
"""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from embedded import binaries, ports
from embedded.nats import NatsServer
from embedded.server import HOST
from tests.processes import ROOT, until

USERS = ("gateway", "link_svc", "social_graph_svc", "user_svc", "news_svc", "operator")
NODES = 3
START_SECONDS = 90.0  # three nodes elect several times, on a disk that others use too
_SERVERS = ROOT / "k8s/servers/nats"
_ALONE = _SERVERS / "cluster.conf"
_TOGETHER = ROOT / "k8s/overlays/production/cluster.conf"
_PLAIN = _SERVERS / "tls.conf"
_SECURE = ROOT / "k8s/components/tls/tls.conf"


def password(user: str) -> str:
    """Return the password of a user, of letters and digits."""
    return f"pw{user.replace('_', '')}"


class Node(NatsServer):
    """One server; with ``routes``, the ports of a cluster's nodes, one of these nodes.

    With ``tls``, a folder with the files of Kubernetes's Secret, it speaks nothing else.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "nats-0",
        routes: Sequence[int] = (),
        tls: Path | None = None,
    ) -> None:
        super().__init__(folder, ports.free_port())
        self.tls = tls
        self.passwords = {user: password(user) for user in USERS}
        self.server_name = name
        self.monitor = ports.free_port()
        self.routes = routes

    def prepare(self) -> None:
        """Lay the files side by side, as the ConfigMap does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = (_SERVERS / "nats.conf").read_text()
        (self.folder / "nats.conf").write_text(text.replace('"/data', f'"{self.folder}'))
        shutil.copy(_SERVERS / "users.conf", self.folder)
        shutil.copy(_TOGETHER if self.routes else _ALONE, self.folder)
        security = (_SECURE if self.tls else _PLAIN).read_text()
        (self.folder / "tls.conf").write_text(security.replace('"/tls/', f'"{self.tls}/'))

    def command(self) -> Sequence[str | Path]:
        """Return the program with its environment and its options, which outdo the files."""
        passwords = [f"NATS_PASSWORD_{u.upper()}={given}" for u, given in self.passwords.items()]
        options: list[str | Path] = [
            *("--addr", HOST, "--port", str(self.port), "--http_port", str(self.monitor)),
        ]
        if self.routes:
            own = self.routes[int(self.server_name[-1])]
            routes = ",".join(f"nats://{HOST}:{port}" for port in self.routes)
            options += ["--cluster", f"nats://{HOST}:{own}", "--routes", routes]
        return [
            *("/usr/bin/env", f"NATS_SERVER_NAME={self.server_name}", *passwords),
            *(binaries.nats_server(), "--config", self.folder / "nats.conf", *options),
        ]

    def ask(self, path: str) -> Any:
        """Return what the monitoring port answers; raise OSError while it does not."""
        answer = requests.get(f"http://{HOST}:{self.monitor}{path}", timeout=2)
        answer.raise_for_status()
        return answer.json()

    def healthy(self) -> bool:
        """Tell whether the node has caught up with all that it holds."""
        try:
            return bool(self.ask("/healthz")["status"] == "ok")
        except OSError:
            return False

    def uri(self, user: str) -> str:
        """Return the address for a user."""
        return f"nats://{user}:{password(user)}@{HOST}:{self.port}"


class Cluster:
    """The three nodes of production."""

    def __init__(self, folder: Path) -> None:
        routes = [ports.free_port() for _ in range(NODES)]
        self.nodes = [Node(folder / f"nats-{n}", f"nats-{n}", routes) for n in range(NODES)]

    def start(self) -> None:
        """Start those that do not run, and wait until all have caught up."""
        for node in self.stopped():
            node.spawn()
        for node in self.nodes:
            node.wait()
        until(lambda: all(node.healthy() for node in self.nodes), START_SECONDS)

    def stop(self) -> None:
        """Stop all nodes."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.stop, self.nodes))

    def stopped(self) -> list[Node]:
        """Return the nodes that do not run."""
        return [node for node in self.nodes if node.child is None]

    def running(self) -> list[Node]:
        """Return the nodes that run."""
        return [node for node in self.nodes if node.child is not None]

    def uri(self, user: str) -> str:
        """Return the addresses for a user."""
        return ",".join(node.uri(user) for node in self.nodes)

    def leader_of(self, stream: str, durable: str = "") -> Node:
        """Return the node that leads a stream or a consumer of it, as soon as there is one."""
        return until(lambda: self._leader_of(stream, durable))

    def follower_of(self, stream: str) -> Node:
        """Return a node that runs and does not lead a stream."""
        leader = self.leader_of(stream)
        return next(node for node in self.running() if node is not leader)

    def connected_to(self, user: str) -> Node:
        """Return a node to which a user is connected."""
        return until(lambda: self._connected_to(user))

    def _connected_to(self, user: str) -> Node | None:
        asked = ((node, node.ask("/connz?auth=true")["connections"]) for node in self.running())
        here = (node for node, clients in asked if user in {c["authorized_user"] for c in clients})
        return next(here, None)

    def _leader_of(self, stream: str, durable: str) -> Node | None:
        named = {node.server_name: node for node in self.running()}
        for node in named.values():
            for found in _streams(node):
                if found["name"] != stream:
                    continue
                if durable:
                    consumers = found.get("consumer_detail") or []
                    found = next((c for c in consumers if c["name"] == durable), {})
                if leader := named.get(found.get("cluster", {}).get("leader", "")):
                    return leader
        return None


def _streams(node: Node) -> list[Any]:
    accounts = node.ask("/jsz?consumers=true").get("account_details") or []
    return [stream for account in accounts for stream in account.get("stream_detail") or []]
