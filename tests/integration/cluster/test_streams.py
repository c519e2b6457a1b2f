"""Events go through the cluster while its nodes are killed: each once, in order, none lost."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from nameko import config

from chassis import nats, streams
from chassis.events import Event
from chassis.streams import reads
from tests.integration.cluster.conftest import Start, settings
from tests.nats_cluster import Cluster, Node
from tests.processes import until

STREAM, DURABLE = "link-events", "news"
TRY_SECONDS = 1.0  # as the relay tries (chassis.outbox.publishing.PUBLISH_SECONDS)
# The longest that no event could be appended: a leader is missed after four seconds, and elected.
GAP_SECONDS = 15


@pytest.fixture
def written(cluster: Cluster, start: Start, tmp_path: Path) -> Iterator[Path]:
    """Return the file into which a consumer writes what it is given."""
    path = tmp_path / "written"
    path.touch()
    start("News", "news_svc", env={"WRITE_TO": str(path)})
    config.update(settings(cluster, "link_svc"))
    yield path
    nats.streams().close(1)


class Publisher:
    """Appends numbered events one after the other, each until it is acknowledged."""

    def __init__(self) -> None:
        self.author = uuid4().hex
        self.sequences: list[int] = []
        self.longest = 0.0

    def publish(self, count: int) -> None:
        """Append so many events."""
        for _ in range(count):
            number = len(self.sequences)
            event = Event(
                str(uuid4()), "/test", "plain", self.author, datetime.now(UTC), {"n": number}
            )
            began = time.monotonic()
            self.sequences.append(until(lambda event=event: _append(event)))
            self.longest = max(self.longest, time.monotonic() - began)

    def publish_while(self, kill: Callable[[], None], count: int) -> None:
        """Append so many events, and kill something amid them."""
        killer = threading.Timer(0.05, kill)
        killer.start()
        self.publish(count)
        killer.join()
        self.publish(1)


def _append(event: Event) -> int:
    subject = f"{STREAM}.{event.subject}"
    return streams.publish(STREAM, subject, event.encode(), event.id, timeout=TRY_SECONDS)


def handled(written: Path, publisher: Publisher) -> list[list[int]]:
    """Return sequences and numbers; what was not known to be acknowledged comes again."""
    lines = [line.split() for line in dict.fromkeys(written.read_text().splitlines())]
    return [[int(word) for word in words] for author, *words in lines if author == publisher.author]


def stored(publisher: Publisher) -> list[int]:
    """Return the number of each event in the stream, in its order, whichever node is asked."""

    def read() -> list[reads.Stored]:
        return reads.last_of(STREAM, f"{STREAM}.{publisher.author}", 100_000, 5)

    return [Event.decode(one.body).data["n"] for one in until(read)]


def check(cluster: Cluster, publisher: Publisher, written: Path) -> None:
    """Check that every event is in the stream once, and was handled in its order."""
    count = len(publisher.sequences)
    expected = [[sequence, number] for number, sequence in enumerate(publisher.sequences)]
    until(lambda: len(handled(written, publisher)) >= count)
    assert handled(written, publisher) == expected
    config.update(settings(cluster, "news_svc"))
    assert stored(publisher) == list(range(count))
    config.update(settings(cluster, "link_svc"))
    assert publisher.longest < GAP_SECONDS


def victims(cluster: Cluster) -> list[Callable[[], Node]]:
    return [
        lambda: cluster.follower_of(STREAM),
        lambda: cluster.leader_of(STREAM),
        lambda: cluster.leader_of(STREAM, DURABLE),
    ]


def test_no_acknowledged_event_is_lost_when_the_leader_is_killed(
    cluster: Cluster, written: Path
) -> None:
    publisher = Publisher()
    publisher.publish(10)
    publisher.publish_while(cluster.leader_of(STREAM).kill, 40)
    cluster.start()
    check(cluster, publisher, written)


def test_what_is_read_back_from_a_node_that_lags_is_complete(cluster: Cluster) -> None:
    config.update(settings(cluster, "link_svc"))
    publisher = Publisher()
    publisher.publish(1)
    for _ in range(15):
        config.update(settings(cluster, "link_svc"))
        leader, follower = cluster.leader_of(STREAM), cluster.follower_of(STREAM)
        config.update(NATS_URL=follower.uri("news_svc"))
        assert stored(publisher)  # its own messages are what a node reads
        follower.pause()
        config.update(NATS_URL=leader.uri("link_svc"))
        publisher.publish(30)
        follower.resume()
        config.update(NATS_URL=follower.uri("news_svc"))
        assert stored(publisher) == list(range(len(publisher.sequences)))


@pytest.mark.long
def test_no_acknowledged_event_is_lost_while_nodes_die_and_come_back(
    cluster: Cluster, written: Path
) -> None:
    publisher = Publisher()
    for _ in range(4):
        for victim in victims(cluster):
            publisher.publish(20)
            publisher.publish_while(victim().kill, 200)
            cluster.start()
    check(cluster, publisher, written)
