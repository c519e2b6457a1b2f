"""Services are killed at the instants at which an event could be lost or doubled (A3 to A6).

They are also given what they have had before, and what nobody can read (A8, A10).

FAULTS_SEED repeats a run.
"""

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psutil
import psycopg2
import pytest
import requests

from tests.e2e.api import Api, person
from tests.e2e.test_metrics import scrape
from tests.faults.authors import feed
from tests.faults.checker import links
from tests.faults.crowd import Crowd
from tests.faults.event_log import HEAL_SECONDS, ApartSystem
from tests.faults.pair import Pair
from tests.processes import until

WINDOW_SECONDS = 120.0
FAN_OUT_SECONDS = 120.0
POISON = (
    b"not json",
    b"\xff\xfe",
    b"[]",
    json.dumps({"id": "1"}).encode(),
    json.dumps(
        {"specversion": "1.0", "id": "2", "source": "/x", "type": "link.eaten", "subject": "x"}
        | {"time": "2026-01-01T00:00:00Z", "data": {}}
    ).encode(),
    b"9" * (1024 * 1024 - 1000),
)


@pytest.fixture
def world(apart: ApartSystem) -> "World":
    return World(apart)


class World(Pair):
    """An author and a reader, and the system that they use."""

    def __init__(self, system: ApartSystem) -> None:
        super().__init__(system.url)
        self.system = system

    def add_and_settle(self) -> None:
        """Add a link, and wait until link_svc has done all that there is to do for it."""
        assert self.add()
        until(lambda: len(feed(self.bob)) == 1)
        uri = (
            f"postgresql://link_svc@127.0.0.1:{self.system.port('EMBEDDED.POSTGRES_PORT')}/link_svc"
        )
        with closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            until(lambda: cursor.execute("SELECT FROM outbox") or not cursor.fetchall())

    def kill_at(self, instant: str) -> float:
        """Add a link, and have link_svc killed meanwhile; return when that was."""
        victim = self.system.part("link_svc")
        self.system.at(instant)
        with ThreadPoolExecutor(1) as pool:  # it may run again before the answer
            adding = pool.submit(self.add)
            self.system.until_killed_at(instant)
            killed_at = time.time()
            adding.result()
        victim.wait(10)
        return killed_at


def dead_letters(system: ApartSystem) -> float:
    """Return how many events news_svc has given up since it began."""
    families = scrape("news_svc", system)
    samples = (each for family in families for each in family.samples)
    return sum(each.value for each in samples if each.name == "dead_letters_total")


def heals(api: Api) -> Callable[[], bool]:
    return lambda: bool(api.call("GET", "/v1.0/links").ok)


def test_link_svc_is_killed_between_commit_and_publication(world: World) -> None:
    """A3: the change is there, its author was told otherwise, and the event goes out once."""
    assert world.add()
    for tries in range(1, 4):
        killed_at = world.kill_at("outbox-committed")
        until(heals(world.ann), HEAL_SECONDS)
        assert world.add()
        assert len(links(world.ann)) == 1 + 2 * tries
        world.check()
        *_, time_of_it, _ = world.system.log.times(world.ann.name)
        if time_of_it > killed_at:
            break  # or the relay, which also looks by itself, was there before the kill
    assert time_of_it > killed_at


def test_relay_is_killed_between_publication_and_deletion(world: World) -> None:
    """A4: the event is published again, under its old id, and told once."""
    world.add_and_settle()
    killed_at = world.kill_at("relay-published")
    until(heals(world.ann), HEAL_SECONDS)
    assert world.add()
    world.check()
    _, time_of_it, _ = world.system.log.times(world.ann.name)
    assert time_of_it < killed_at


def test_relay_is_killed_and_the_stream_forgets_what_it_was_given(world: World) -> None:
    """A5: two copies are in the stream, and one is in the feed."""
    world.add_and_settle()
    world.system.log.forget_ids_after(0.1)
    try:
        world.kill_at("relay-published")
        until(heals(world.ann), HEAL_SECONDS)
        assert world.add()
        until(lambda: len(world.system.log.times(world.ann.name)) == 4, HEAL_SECONDS)
    finally:
        world.system.log.forget_ids_after(WINDOW_SECONDS)
    world.check()


@pytest.mark.long
def test_relay_is_killed_and_stays_away_for_longer_than_the_window(world: World) -> None:
    """A5: as the stream is declared, with its two minutes."""
    assert world.add()
    until(lambda: len(feed(world.bob)) == 1)
    victim = world.system.part("link_svc")
    assert world.system.process is not None
    runner = psutil.Process(world.system.process.pid)
    world.system.at("relay-published")
    runner.suspend()  # or it would start another one
    try:
        world.add()
        until(lambda: victim.status() == psutil.STATUS_ZOMBIE, HEAL_SECONDS)
        time.sleep(WINDOW_SECONDS + 5)
    finally:
        runner.resume()
    until(heals(world.ann), HEAL_SECONDS)
    assert world.add()
    until(lambda: len(world.system.log.times(world.ann.name)) == 4, HEAL_SECONDS)
    world.check()


def test_poison_becomes_dead_letters_and_delays_nobody(world: World) -> None:
    """A10: each is counted, too."""
    before = dead_letters(world.system)
    for body in POISON:
        world.system.log.append(world.ann.name, body)
    began = time.monotonic()
    assert world.add()
    until(lambda: len(feed(world.bob)) == 1, HEAL_SECONDS)
    print(f"\ntold {time.monotonic() - began:.2f} s after {len(POISON)} that nobody can read")
    until(lambda: dead_letters(world.system) == before + len(POISON), HEAL_SECONDS)
    world.check()


def test_every_event_is_delivered_three_times(world: World) -> None:
    """A8: once more to a process that knows what it has handled, and once to one that does not."""
    for _ in range(5):
        assert world.add()
    world.check()
    world.system.log.forget_consumer()
    until(world.system.log.is_consumed, HEAL_SECONDS)
    world.check()
    world.system.part("news_svc").kill()
    world.system.log.forget_consumer()
    until(world.system.log.is_consumed, HEAL_SECONDS)
    until(lambda: world.bob.call("GET", "/v1.0/news").ok, HEAL_SECONDS)
    world.check()


def kill_amid_fan_out(
    system: ApartSystem, chance: random.Random, followers: int, kills: int
) -> None:
    """Kill news_svc again and again while it tells many of one link; each is told once."""
    author = person(system.url, f"ann{time.monotonic_ns()}")
    crowd = Crowd(system, f"crowd{time.monotonic_ns()}", followers)
    crowd.follow(author.name)
    system.at("feeds-delivered", chance.randint(1, followers // 1000))
    author.add_link("https://example.org/")
    for left in reversed(range(kills)):
        system.until_killed_at("feeds-delivered")
        if left:
            system.at("feeds-delivered", chance.randint(1, followers // 1000))
    until(lambda: crowd.each_told(1), FAN_OUT_SECONDS)
    author.add_link("https://example.org/after")
    until(lambda: crowd.each_told(2), FAN_OUT_SECONDS)
    assert {max(told.values()) for told in crowd.told()} == {1}
    assert feed(person(system.url, crowd.names[-1])) == links(author)


def test_news_svc_is_killed_amid_a_fan_out(apart: ApartSystem, chance: random.Random) -> None:
    """A6, in short: every follower is told once."""
    kill_amid_fan_out(apart, chance, followers=3000, kills=1)


@pytest.mark.long
def test_news_svc_is_killed_ten_times_amid_a_fan_out(
    apart: ApartSystem, chance: random.Random
) -> None:
    """A6: every one of 10,000 followers is told once."""
    kill_amid_fan_out(apart, chance, followers=10_000, kills=10)


def test_write_with_a_key_is_answered_after_its_service_was_killed(world: World) -> None:
    """The change was committed and its answer lost: whoever asks again is answered."""
    url = f"https://example.org/{world.ann.name}/key"

    def add(**headers: str) -> requests.Response:
        return world.ann.call("POST", "/v1.0/links", json={"url": url}, headers=headers)

    key = {"Idempotency-Key": "1"}
    victim = world.system.part("link_svc")
    world.system.at("outbox-committed")
    assert add(**key).status_code == 503
    world.system.until_killed_at("outbox-committed")
    victim.wait(10)
    until(lambda: add(**key).ok, HEAL_SECONDS)
    assert add().json()["code"] == "link_exists"
    assert add(**key).json() == {"err": ""}
    assert links(world.ann) == [url]
    until(lambda: feed(world.bob) == [url], HEAL_SECONDS)
