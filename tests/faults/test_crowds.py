"""Authors whom very many people follow (A18, A19)."""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import Session

from chassis.database.dialect import engine_at
from chassis.outbox import EventDispatcher
from link_svc import schemas
from link_svc.models import OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from tests.e2e.api import Api, person
from tests.e2e.survival import parts, pids
from tests.faults.crowd import Crowd
from tests.faults.event_log import STREAM, ApartSystem
from tests.processes import until

pytestmark = pytest.mark.long

AUTHORS, FOLLOWERS = 10, 1000
LINKS_A_SECOND, SECONDS = 100, 60
VISIBLE_SECONDS = 3.0
LAG_SECONDS = 5.0
FRESH_FOLLOWERS, FRESH_SECONDS, FRESH_WITHIN_SECONDS = 100, 30, 2.0
DISPATCHER = EventDispatcher("link-events", OutboxEvent, OutboxLease)
GROWTH = 1.05


@pytest.fixture(scope="module")
def apart(system_folder: Path) -> Iterator[ApartSystem]:
    """Return a system with feeds of the usual length."""
    system = ApartSystem(system_folder)
    del system.env["FEED_LENGTH"]
    system.start()
    yield system
    system.stop()


def an_author(system: ApartSystem, followers: int) -> tuple[Api, Crowd]:
    """Return somebody with so many followers, who have a feed each."""
    suffix = str(time.monotonic_ns())
    author = person(system.url, f"ann{suffix}")
    crowd = Crowd(system, f"crowd{suffix}", followers)
    crowd.follow(author.name)
    return author, crowd


def until_told(reader: Api, count: int, seconds: float) -> float:
    """Return how long it took until somebody's news had so many events."""
    began = time.monotonic()
    until(lambda: len(reader.news(page_size=100)["events"]) >= count, seconds)
    return time.monotonic() - began


def test_one_link_reaches_ten_thousand_followers(apart: ApartSystem) -> None:
    """A18: readers see an event when it is in all feeds."""
    author, crowd = an_author(apart, 10_000)
    last = person(apart.url, crowd.names[-1])
    taken = []
    for number in range(1, 6):
        author.add_link(f"https://example.org/{number}")
        taken.append(until_told(last, number, 60))
        assert crowd.each_told(number)
    print(f"\nseen by 10,000 after {', '.join(f'{each:.2f}' for each in taken)} s")
    assert max(taken) < VISIBLE_SECONDS


def test_a_hundred_links_a_second_reach_a_thousand_followers_each(apart: ApartSystem) -> None:
    """A18: 100,000 feeds are written a second, for a minute.

    The links are added by link_svc's store: clients and gateway would want the machine for
    themselves at that rate.
    """
    authors = [an_author(apart, FOLLOWERS) for _ in range(AUTHORS)]
    uri = f"link_svc@127.0.0.1:{apart.port('EMBEDDED.POSTGRES_PORT')}/link_svc"
    engine = engine_at(f"postgresql+psycopg2://{uri}", pool_size=AUTHORS)
    memory: list[dict[str, float]] = []

    def writer(author: Api) -> Callable[[int], object]:
        session = Session(engine, expire_on_commit=False)
        store = LinkStore(session, DISPATCHER.dispatch_for(session))

        def add(number: int) -> None:
            link = schemas.new_link(author.name, {"url": f"https://example.org/{number}"})
            store.add(link, quota=10**9)

        return add

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(pour, apart, [writer(author) for author, _ in authors], SECONDS)
        while not writing.done():
            memory.append(resident(apart))
            time.sleep(1)
    engine.dispose()
    lag = writing.result()
    middle, end = memory[len(memory) // 2], memory[-1]
    print(f"MiB at half-time and at the end: {middle}, {end}")
    for _, crowd in authors:  # the feeds have their length
        assert crowd.each_told(LINKS_A_SECOND * SECONDS // AUTHORS)
    assert lag.share(LAG_SECONDS) >= 0.99
    assert all(end[name] < middle[name] * GROWTH for name in ("link_svc", "news_svc"))


def test_news_are_fresh_at_a_hundred_adds_a_second(apart: ApartSystem) -> None:
    """Over HTTP, ten authors with a hundred followers each, for half a minute."""
    authors = [an_author(apart, FRESH_FOLLOWERS) for _ in range(AUTHORS)]

    def writer(author: Api) -> Callable[[int], object]:
        return lambda number: author.add_link(f"https://example.org/{number}")

    lag = pour(apart, [writer(author) for author, _ in authors], FRESH_SECONDS)
    for _, crowd in authors:
        assert crowd.each_told(LINKS_A_SECOND * FRESH_SECONDS // AUTHORS)
    assert lag.share(FRESH_WITHIN_SECONDS) >= 0.99


def pour(system: ApartSystem, adds: list[Callable[[int], object]], seconds: int) -> "Lag":
    """Have a hundred links a second added, side by side, and return what became of their events."""
    before, began = Lag.of(system), time.monotonic()
    each = LINKS_A_SECOND * seconds // len(adds)

    def go_on(add: Callable[[int], object]) -> None:
        for number in range(each):
            due = began + number * seconds / each
            time.sleep(max(0.0, due - time.monotonic()))
            add(number)

    with ThreadPoolExecutor(len(adds)) as pool:
        list(pool.map(go_on, adds))
    took, count = time.monotonic() - began, each * len(adds)
    until(lambda: Lag.of(system).count - before.count >= count, 300)
    lag = Lag.of(system).since(before)
    print(f"\n{count} links in {took:.1f} s, mean lag {lag.mean:.2f} s, within: {lag.within}")
    assert took < 1.1 * seconds, "the machine is too slow to add as fast"
    return lag


def test_a_hundred_thousand_followers_are_no_storm(apart: ApartSystem) -> None:
    """A19: an event in work is not given again, however long it takes."""
    author, crowd = an_author(apart, 100_000)
    before, alive = Lag.of(apart), pids(apart)
    count = 30
    for number in range(count):
        author.add_link(f"https://example.org/{number}")
    last = person(apart.url, crowd.names[-1])
    print(f"\n{count} links seen by 100,000 after {until_told(last, count, 300):.1f} s")
    assert crowd.each_told(count)
    assert Lag.of(apart).since(before).count == count
    assert pids(apart) == alive


def test_a_million_followers_disturb_nobody(apart: ApartSystem) -> None:
    """The first event walks through the followers, a page at a time; from then on none does."""
    author, crowd = an_author(apart, 1_000_000)
    other = person(apart.url, f"eve{time.monotonic_ns()}")
    last = person(apart.url, crowd.names[-1])
    alone = [add_seconds(other) for _ in range(200)]
    before = resident(apart)["news_svc"]
    with ThreadPoolExecutor(1) as pool:
        author.add_link("https://example.org/1")
        telling = pool.submit(until_told, last, 1, 600)
        meanwhile, memory = [add_seconds(other)], [before]
        while not telling.done():
            meanwhile.append(add_seconds(other))
            memory.append(resident(apart)["news_svc"])
    taken = [telling.result()]
    for number in range(2, 7):
        author.add_link(f"https://example.org/{number}")
        taken.append(until_told(last, number, 60))
    print(f"\nseen by 1,000,000 after {', '.join(f'{each:.2f}' for each in taken)} s")
    for name, adds in (("before", alone), ("meanwhile", meanwhile)):
        mean, p99 = statistics.median(adds), statistics.quantiles(adds, n=100)[98]
        print(f"{len(adds)} adds {name}: p50 {1000 * mean:.1f} ms, p99 {1000 * p99:.1f} ms")
    print(f"news_svc: {before} MiB before, at most {max(memory)}; all: {resident(apart)}")
    assert crowd.each_told(6, every=1000)
    assert max(memory) < before + 30
    assert max(taken[1:]) < VISIBLE_SECONDS


def add_seconds(author: Api) -> float:
    """Return how long an add takes, fifty a second at most."""
    time.sleep(0.02)
    began = time.monotonic()
    author.add_link(f"https://example.org/{time.monotonic_ns()}")
    return time.monotonic() - began


@dataclass(frozen=True)
class Lag:
    """From what events tell of to their being in all feeds, as news_svc counts it."""

    count: float
    total: float
    within: dict[float, float]  # seconds, and how many took no longer

    @classmethod
    def of(cls, system: ApartSystem) -> "Lag":
        page = requests.get(f"http://127.0.0.1:{system.port('HTTP_PORTS.news_svc')}/metrics")
        name, found, within = "event_lag_seconds", {"count": 0.0, "sum": 0.0}, {}
        for family in text_string_to_metric_families(page.text):
            for sample in family.samples if family.name == name else ():
                if sample.labels["stream"] != STREAM:
                    continue
                if sample.name.endswith("_bucket"):
                    within[float(sample.labels["le"])] = sample.value
                else:
                    found[sample.name.removeprefix(f"{name}_")] = sample.value
        return cls(found["count"], found["sum"], within)

    def since(self, before: "Lag") -> "Lag":
        within = {most: n - before.within.get(most, 0) for most, n in self.within.items()}
        return Lag(self.count - before.count, self.total - before.total, within)

    @property
    def mean(self) -> float:
        return self.total / self.count

    def share(self, seconds: float) -> float:
        return self.within[seconds] / self.count


def resident(system: ApartSystem) -> dict[str, float]:
    """Return the memory of each part, in MiB."""
    return {name: part.memory_info().rss // 2**20 for name, part in parts(system).items()}
