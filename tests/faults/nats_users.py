"""``make run`` with the servers of NATS elsewhere, where each service is a user of its own.

The runner gives all services one environment; here a service's addresses of NATS hold its name.
"""

import os
from collections.abc import Callable
from unittest.mock import patch

from embedded.child import Child
from embedded.settings import Settings
from embedded.system import System
from tests.nats_cluster import HOST, password
from tests.processes import ROOT

PORTS = "NATS_CLUSTER_PORTS"  # of the nodes, with commas


def uri(ports: str, user: str) -> str:
    """Return the addresses of the nodes for a user."""
    return ",".join(f"nats://{user}:{password(user)}@{HOST}:{port}" for port in ports.split(","))


class UsersSystem(System):
    """Start each service as its NATS user."""

    def _service_starter(self, name: str) -> Callable[[], Child]:
        start = super()._service_starter(name)
        own = dict.fromkeys(("AMQP_URI", "NATS_URL"), uri(os.environ[PORTS], name))

        def start_as_user() -> Child:
            with patch.dict(os.environ, own):
                return start()

        return start_as_user


if __name__ == "__main__":
    UsersSystem(Settings(ROOT)).run()
