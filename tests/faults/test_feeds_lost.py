"""Valkey loses everything, or dies: feeds are rebuilt as they were, nothing is lost (A15, A16)."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from redis import Redis

from embedded import binaries
from tests.e2e.api import Api
from tests.e2e.survival import pids
from tests.e2e.system import System
from tests.faults.authors import Author, feed, settled
from tests.processes import until

ANSWER_SECONDS = 3.0
HEAL_SECONDS = 30.0


@pytest.fixture(scope="module")
def system(system_folder: Path) -> Iterator[System]:
    """Return a running system: these tests take Valkey away from it, and it cuts nobody's news."""
    system = System(system_folder)
    system.env |= {"FEED_LENGTH": "1000000"}
    system.start()
    yield system
    system.stop()


@dataclass
class World:
    """Two authors, and two readers who follow both."""

    valkey: Redis
    authors: list[Author]
    readers: list[Api]

    def feed(self, reader: Api) -> list[str]:
        return feed(reader)

    def settled(self, reader: Api) -> bool:
        return settled(reader, self.authors)


@pytest.fixture
def world(system: System, request: pytest.FixtureRequest) -> Iterator[World]:
    suffix = str(time.monotonic_ns())
    authors = [Author(system.api(name + suffix), name + suffix) for name in ("ann", "amy")]
    readers = [system.api(name + suffix) for name in ("bob", "cat")]
    for reader in readers:
        for author in authors:
            reader.follow(author.name)
    port = system.port("EMBEDDED.VALKEY_PORT")
    with Redis(port=port, decode_responses=True) as valkey:
        yield World(valkey, authors, readers)


def under_load(world: World, disturb: Callable[[], None], seconds: float) -> list[float]:
    """Disturb while authors add and readers read; return how long reading took each time."""
    stop = threading.Event()
    taken: list[float] = []
    odd: list[str] = []

    def write(author: Author) -> None:
        number = 0
        while not stop.is_set():
            author.add(number)
            number += 1

    def read(reader: Api) -> None:
        while not stop.is_set():
            began = time.monotonic()
            answer = reader.call("GET", "/v1.0/news")
            taken.append(time.monotonic() - began)
            if answer.status_code not in (200, 503):
                odd.append(answer.text)

    work = [threading.Thread(target=write, args=(author,)) for author in world.authors]
    work += [threading.Thread(target=read, args=(reader,)) for reader in world.readers]
    for thread in work:
        thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        disturb()
        stop.wait(0.5)
    stop.set()
    for thread in work:
        thread.join()
    assert odd == []
    return taken


def check(world: World, taken: list[float]) -> None:
    for author in world.authors:
        assert author.added
    print(f"added: {[len(author.added) for author in world.authors]}")
    for reader in world.readers:
        until(lambda reader=reader: world.settled(reader), HEAL_SECONDS)
    assert max(taken) < ANSWER_SECONDS + 1


def test_feeds_are_the_same_after_everything_was_lost(world: World) -> None:
    for number in range(15):
        for author in world.authors:
            author.add(number)
    until(lambda: all(map(world.settled, world.readers)))
    pages = [reader.news(page_size=7) for reader in world.readers]
    feeds = [world.feed(reader) for reader in world.readers]
    world.valkey.flushall()
    assert [reader.news(page_size=7) for reader in world.readers] == pages
    world.valkey.flushall()
    # A token of before leads on, also in a feed that is not there.
    on = [r.news(start_token=p["next_token"]) for r, p in zip(world.readers, pages, strict=True)]
    assert [[event["Url"] for event in page["events"]] for page in on] == [f[7:17] for f in feeds]


def test_an_author_who_was_left_does_not_come_back(world: World) -> None:
    (ann, amy), (bob, cat) = world.authors, world.readers
    ann.add(1)
    amy.add(2)
    until(lambda: all(map(world.settled, world.readers)))
    world.valkey.flushall()
    bob.unfollow(ann.name)
    ann.add(3)
    amy.add(4)
    until(lambda: world.feed(bob) == amy.added)
    until(lambda: world.settled(cat))
    world.valkey.flushall()
    assert world.feed(bob) == amy.added


def test_everything_is_lost_under_load(world: World) -> None:
    """A15, in short."""
    check(world, under_load(world, world.valkey.flushall, seconds=5))


@pytest.mark.long
def test_everything_is_lost_under_load_for_a_minute(world: World) -> None:
    """A15."""
    check(world, under_load(world, world.valkey.flushall, seconds=60))


def test_valkey_is_killed_amid_deliveries(system: System, world: World) -> None:
    """A16."""
    killed: list[int] = []

    def kill() -> None:
        valkey = pids(system).get("Valkey")
        if valkey and valkey not in killed and len(killed) < 2:
            killed.append(valkey)
            psutil.Process(valkey).kill()

    taken = under_load(world, kill, seconds=5)
    assert killed
    check(world, taken)


def test_command_rebuilds_all_feeds(system: System, world: World) -> None:
    for author in world.authors:
        author.add(1)
    until(lambda: all(map(world.settled, world.readers)))
    done = psutil.Popen(
        [binaries.script("python"), "-m", "news_svc.rebuild"], env=system.env, stdout=-1, stderr=-2
    )
    said, _ = done.communicate(timeout=30)
    assert done.returncode == 0, said
    assert b"feeds are rebuilt" in said
    assert all(map(world.settled, world.readers))
