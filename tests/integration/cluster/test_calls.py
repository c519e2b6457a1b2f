"""Calls between services, each with its own NATS user, while nodes of the cluster are killed."""

from dataclasses import dataclass, field

import pytest
import requests

from embedded import ports
from embedded.server import HOST
from tests.integration.cluster.conftest import RPC_TIMEOUT_SECONDS, Start
from tests.nats_cluster import Cluster
from tests.processes import until

# Nobody waits longer; what is beyond the deadline is this machine's.
ANSWER_SECONDS = RPC_TIMEOUT_SECONDS + 1
HEAL_SECONDS = 10


@dataclass
class Caller:
    """Calls one after the other, and remembers what came of it."""

    url: str
    outcomes: list[str] = field(default_factory=list)
    longest: float = 0

    def call(self) -> bool:
        """Call; tell whether the answer was the right one."""
        token = f"token-{len(self.outcomes)}"
        outcome, seconds = requests.get(f"{self.url}/{token}", timeout=10).json()
        self.outcomes.append("ok" if outcome == token else outcome)
        self.longest = max(self.longest, seconds)
        return outcome == token

    def well(self) -> bool:
        """Tell whether a hundred calls in a row succeed."""
        return all(self.call() for _ in range(100))


@pytest.fixture
def caller(cluster: Cluster, start: Start) -> Caller:
    address = f"{HOST}:{ports.free_port()}"
    start("Users", "user_svc")
    start("Gateway", "gateway", WEB_SERVER_ADDRESS=address)
    caller = Caller(f"http://{address}")
    assert until(caller.call)
    caller.outcomes.clear()
    caller.longest = 0
    return caller


def test_calls_go_on_when_the_node_of_either_side_is_killed(
    cluster: Cluster, caller: Caller
) -> None:
    for side in ("user_svc", "gateway"):
        cluster.connected_to(side).kill()
        until(caller.well, HEAL_SECONDS)
        cluster.start()
    # Never "UnknownService": it is only its node that has gone.
    assert set(caller.outcomes) <= {"ok", "Unavailable"}
    assert caller.longest < ANSWER_SECONDS


@pytest.mark.long
def test_calls_go_on_when_a_node_is_frozen(cluster: Cluster, caller: Caller) -> None:
    for side in ("user_svc", "gateway"):
        node = cluster.connected_to(side)
        node.pause()
        until(caller.well, 4 * HEAL_SECONDS)
        node.resume()
        cluster.start()
        until(caller.well, HEAL_SECONDS)
    assert set(caller.outcomes) <= {"ok", "Unavailable"}
    assert caller.longest < ANSWER_SECONDS


@pytest.mark.long
def test_calls_go_on_while_every_node_is_killed_in_turn(cluster: Cluster, caller: Caller) -> None:
    for _ in range(3):
        for node in cluster.nodes:
            node.kill()
            until(caller.well, HEAL_SECONDS)
            cluster.start()
            assert caller.well()
    assert set(caller.outcomes) <= {"ok", "Unavailable"}
    assert caller.outcomes.count("Unavailable") < len(caller.outcomes) / 20
    assert caller.longest < ANSWER_SECONDS
