"""The whole system on three nodes of NATS, of which one after the other is killed."""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embedded import binaries
from tests.e2e.survival import SERVICES
from tests.e2e.system import ROOT, System
from tests.faults.authors import Author, feed, settled
from tests.faults.own_environments import ENVIRONMENTS
from tests.nats_cluster import Cluster
from tests.processes import until

pytestmark = pytest.mark.long

# A call may be lost with the node that it was on its way to, and is given up at its deadline.
ANSWER_SECONDS = 5.0
# Streams are without a leader for up to nine seconds after theirs was killed.
HEAL_SECONDS = 60.0


class ClusteredSystem(System):
    """The system as ``make run`` starts it, on a cluster and with a user for each service."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        super().__init__(folder)
        self.cluster = cluster
        self.env |= {"STREAM_REPLICAS": "3", "FEED_LENGTH": "100000"}
        self.env |= self.as_user("nobody")
        self.env[ENVIRONMENTS] = json.dumps({name: self.as_user(name) for name in SERVICES})
        self.command = [sys.executable, "-m", "tests.faults.own_environments"]

    def as_user(self, user: str) -> dict[str, str]:
        """Return the addresses for a user, in the environment."""
        return dict.fromkeys(("AMQP_URI", "NATS_URL"), self.cluster.uri(user))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="delinkcious-cluster-"))
    folder.chmod(0o755)  # PostgreSQL's user must reach it
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder / "nats")
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def system(folder: Path, cluster: Cluster) -> Iterator[ClusteredSystem]:
    system = ClusteredSystem(folder, cluster)
    system.start()
    yield system
    system.stop()


class People:
    """An author who goes on adding links, and somebody who reads the news of them."""

    def __init__(self, system: System) -> None:
        suffix = str(time.monotonic_ns())
        self.author = Author(system.api(f"ann{suffix}"), f"ann{suffix}")
        self.reader = system.api(f"bob{suffix}")
        self.reader.follow(self.author.name)
        self.longest = 0.0
        self._numbers = iter(range(1_000_000))

    def add(self, count: int) -> None:
        for _ in range(count):
            began = time.monotonic()
            self.author.add(next(self._numbers))
            self.longest = max(self.longest, time.monotonic() - began)

    def add_while(self, disturb: Callable[[], object]) -> None:
        """Add links until the disturbance is over, and a few more."""
        with ThreadPoolExecutor(1) as pool:
            over = threading.Event()
            adding = pool.submit(self._add_until, over)
            disturb()
            over.set()
            adding.result()
        self.add(3)

    def _add_until(self, over: threading.Event) -> None:
        self.add(5)
        while not over.wait(0.05):  # as fast as news_svc, which has other work to do, keeps up
            self.add(1)

    def add_and_see(self) -> None:
        """Wait until something that was added from now on is in the news."""
        count = len(self.author.added)
        until(lambda: len(self.author.added) > count)
        url = self.author.added[count]
        until(lambda: url in feed(self.reader), HEAL_SECONDS)

    def check(self) -> None:
        """Check that what was answered with success is there, and in the news once."""
        links: list[str] = []
        token = ""
        while token or not links:
            page = self.author.api.links(start_token=token, page_size=100)
            links += [link["Url"] for link in page["links"]]
            if not (token := page["next_token"]):
                break
        assert [url for url in links if url in set(self.author.added)] == self.author.added
        until(lambda: settled(self.reader, [self.author]), HEAL_SECONDS)
        assert len(self.author.added) > 0.5 * (len(self.author.added) + len(self.author.doubtful))
        assert self.longest < ANSWER_SECONDS


def test_no_link_is_lost_when_the_leader_is_killed(
    system: ClusteredSystem, cluster: Cluster
) -> None:
    people = People(system)
    people.add(10)

    def kill() -> None:
        cluster.leader_of("link-events").kill()
        before = len(people.author.added)  # adding goes on while the stream has no leader
        until(lambda: len(people.author.added) > before + 20)
        cluster.start()

    people.add_while(kill)
    people.check()


def test_the_operator_has_the_feeds_rebuilt(system: ClusteredSystem) -> None:
    people = People(system)
    people.add(3)
    done = subprocess.run(
        [binaries.script("python"), "-m", "news_svc.rebuild"],
        cwd=ROOT,
        env=system.env | system.as_user("operator"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "feeds are rebuilt" in done.stdout
    people.check()


def test_no_link_is_lost_while_every_node_is_killed_in_turn(
    system: ClusteredSystem, cluster: Cluster
) -> None:
    people = People(system)
    victims: list[Callable[[], object]] = [
        lambda: cluster.follower_of("link-events"),
        lambda: cluster.leader_of("link-events"),
        lambda: cluster.leader_of("link-events", "news"),
        *(lambda node=node: node for node in cluster.nodes),  # type: ignore[misc]
    ]

    def kill_each() -> None:
        for victim in victims:
            victim().kill()  # type: ignore[attr-defined]
            # Without it the others elect, and the news go on; it catches up when it is back.
            people.add_and_see()
            cluster.start()

    people.add_while(kill_each)
    people.check()
