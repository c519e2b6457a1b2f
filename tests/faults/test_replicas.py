"""Two replicas of everything: work is shared, order is kept, and one goes on for the other."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.e2e.api import person
from tests.e2e.survival import SERVICES
from tests.faults.authors import Author, settled
from tests.faults.replicas import Node, Replicas
from tests.processes import until

pytestmark = pytest.mark.long

FAILOVER_SECONDS = 10.0
SETTLE_SECONDS = 60.0
LINKS = 40


class People:
    """An author and a reader, who come by the balancer."""

    def __init__(self, replicas: Replicas) -> None:
        suffix = str(time.monotonic_ns())
        url = replicas.nodes[0].url
        self.author = Author(person(url, f"ann{suffix}"), f"ann{suffix}")
        self.reader = person(url, f"bob{suffix}")
        self.reader.follow(self.author.name)
        self.number = 0
        for api in (self.author.api, self.reader):
            api.url = replicas.url

    def add(self) -> None:
        self.author.add(self.number)
        self.number += 1

    def told(self) -> bool:
        return settled(self.reader, [self.author])

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Add links in the background."""
        stop = threading.Event()

        def go_on() -> None:
            while not stop.wait(0.02):
                self.add()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture(scope="module")
def people(replicas: Replicas) -> People:
    return People(replicas)


def handled(node: Node) -> float:
    return node.number("news_svc", "events_handled_total")


def active(replicas: Replicas, people: People) -> tuple[Node, Node]:
    """Return the node whose news_svc handles the events now, and the other one."""
    before = [handled(node) for node in replicas.nodes]
    people.add()
    until(people.told)
    grown = [handled(node) > was for node, was in zip(replicas.nodes, before, strict=True)]
    assert any(grown)
    one, other = replicas.nodes if grown[0] else reversed(replicas.nodes)
    return one, other


def shares(replicas: Replicas, metric: str) -> dict[str, list[float]]:
    """Return how much each replica of each service has done."""
    return {name: [node.number(name, metric) for node in replicas.nodes] for name in SERVICES}


def test_calls_are_shared(replicas: Replicas, people: People) -> None:
    before = shares(replicas, "worker_results_total")
    for _ in range(LINKS):
        people.add()
        people.reader.following()
    until(people.told, SETTLE_SECONDS)
    after = shares(replicas, "worker_results_total")
    for name in ("gateway", "link_svc", "user_svc", "social_graph_svc"):
        grown = [now > was for now, was in zip(after[name], before[name], strict=True)]
        assert grown == [True, True], name


def test_two_relays_keep_the_order_though_each_is_killed(
    replicas: Replicas, people: People
) -> None:
    with people.adding():
        for node in [*replicas.nodes] * 2:
            victim = node.replica("link_svc")
            victim.kill()
            until(lambda node=node, victim=victim: node.replica("link_svc").pid != victim.pid)
            until(lambda node=node: node.ready("link_svc"), SETTLE_SECONDS)
    until(people.told, SETTLE_SECONDS)


def test_another_replica_goes_on_when_the_active_one_is_killed(
    replicas: Replicas, people: People
) -> None:
    one, _ = active(replicas, people)
    one.replica("news_svc").kill()
    assert seconds_until_told(people) < FAILOVER_SECONDS
    until(lambda: one.ready("news_svc"), SETTLE_SECONDS)


def test_another_replica_goes_on_when_the_active_one_is_frozen(
    replicas: Replicas, people: People
) -> None:
    one, other = active(replicas, people)
    frozen: psutil.Process = one.replica("news_svc")
    replicas.leave(one, "news_svc")  # its probe fails
    frozen.send_signal(signal.SIGSTOP)
    try:
        assert seconds_until_told(people) < FAILOVER_SECONDS
        assert handled(other) > 0
    finally:
        frozen.send_signal(signal.SIGCONT)
        replicas.join(one, "news_svc")
    until(lambda: one.ready("news_svc"), SETTLE_SECONDS)
    people.add()
    until(people.told, SETTLE_SECONDS)  # what it had in hand harms nobody


def seconds_until_told(people: People) -> float:
    """Add a link; return how long it takes until the reader is told of it."""
    began = time.monotonic()
    people.add()
    until(people.told, SETTLE_SECONDS)
    seconds = time.monotonic() - began
    print(f"the other replica went on after {seconds:.1f} s")
    return seconds
