"""NATS is killed again and again while links change: no event is lost, none is told twice (A1).

The changes are made by link_svc's store, as fast as it goes: HTTP would not be fast enough, and is
tried elsewhere. FAULTS_EVENTS and FAULTS_NATS_KILLS say how much; FAULTS_SEED repeats a run.
"""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from redis import Redis
from sqlalchemy.orm import Session

from chassis.database.dialect import engine_at
from chassis.outbox import EventDispatcher
from link_svc import schemas
from link_svc.models import OutboxEvent, OutboxLease
from link_svc.store import LinkStore
from tests.e2e.api import person
from tests.e2e.survival import parts, pids
from tests.e2e.system import System
from tests.faults.authors import feed
from tests.faults.checker import Log, links
from tests.processes import until

AUTHORS = 4
CALLS = 50
ROUNDS = 6  # of each caller
HEAL_SECONDS = 30.0
DRAIN_SECONDS = 600.0
DISPATCHER = EventDispatcher("link-events", OutboxEvent, OutboxLease)


def test_a_few_kills(tireless: System, chance: random.Random) -> None:
    """A1, in short."""
    kill_while_changing(tireless, chance, events=400, kills=2)


@pytest.mark.long
def test_many_kills(tireless: System, chance: random.Random) -> None:
    """A1."""
    events = int(os.environ.get("FAULTS_EVENTS", "100000"))
    kills = int(os.environ.get("FAULTS_NATS_KILLS", "20"))
    print(f"{events} events in {kill_while_changing(tireless, chance, events, kills):.1f} s")


def test_calls_under_way_are_answered_and_each_is_done_once(
    tireless: System, chance: random.Random
) -> None:
    """B4: fifty calls run when NATS is killed."""
    author = person(tireless.url, f"amid{chance.randrange(10**9)}")
    reader = person(tireless.url, f"reads-{author.name}")
    reader.follow(author.name)
    before, log, numbers = pids(tireless), Log(), iter(range(CALLS * ROUNDS))

    def call_on() -> None:
        for number in numbers:
            log.add(author, f"https://example.org/{author.name}/{number}")

    with ThreadPoolExecutor(CALLS) as pool:
        calling = [pool.submit(call_on) for _ in range(CALLS)]
        until(lambda: len(log.acknowledged) > CALLS)
        kill(tireless)
        for each in calling:
            each.result()
    print(f"answers: {dict(log.answers)}, errors after at most {max(log.seconds, default=0):.1f} s")
    assert log.odd == []
    there = until(lambda: links(author), HEAL_SECONDS)
    assert log.judge(there).clean, log.judge(there)
    told = until(lambda: news if len(news := feed(reader)) >= len(there) else None, HEAL_SECONDS)
    assert told == there
    after = pids(tireless)
    assert {name for name in before if after[name] != before[name]} == {"NATS"}


def kill_while_changing(system: System, chance: random.Random, events: int, kills: int) -> float:
    """Return how long it took from the first change until all were in the news."""
    suffix = str(chance.randrange(10**9))
    authors = [person(system.url, f"author{n}-{suffix}") for n in range(AUTHORS)]
    reader = person(system.url, f"reader-{suffix}")
    for author in authors:
        reader.follow(author.name)
    log, begun = Log(), time.monotonic()
    uri = f"link_svc@127.0.0.1:{system.port('EMBEDDED.POSTGRES_PORT')}/link_svc"
    engine = engine_at(f"postgresql+psycopg2://{uri}", pool_size=AUTHORS)

    def change(name: str) -> None:
        with Session(engine, expire_on_commit=False) as session:
            store = LinkStore(session, DISPATCHER.dispatch_for(session))
            for number in range(events // AUTHORS):
                url = f"https://example.org/{name}/{number}"
                log.attempted.add(url)
                store.add(schemas.new_link(name, {"url": url, "title": "t"}), quota=10**9)
                log.acknowledged.add(url)

    when = sorted(chance.randrange(events * 9 // 10) for _ in range(kills))
    with (
        ThreadPoolExecutor(AUTHORS) as pool,
        Redis(port=system.port("EMBEDDED.VALKEY_PORT")) as valkey,
    ):
        changing = [pool.submit(change, author.name) for author in authors]
        for count in when:
            told_at_least(valkey, reader.name, count)
            kill(system)
        for each in changing:
            each.result()
        told_at_least(valkey, reader.name, events)
    engine.dispose()
    told = until(lambda: news if len(news := feed(reader)) >= events else None, DRAIN_SECONDS)
    seconds = time.monotonic() - begun
    assert len(log.acknowledged) == events
    assert log.judge(told).clean, log.judge(told)
    for author in authors:
        assert [url for url in told if f"/{author.name}/" in url] == links(author)
    return seconds


def told_at_least(valkey: Redis, name: str, count: int) -> None:
    """Wait until so many events are in somebody's feed, whether or not they may be seen."""
    size = 12 + 11 * count  # the feed's head, and its events
    until(lambda: valkey.strlen(f"news:{name}") >= size, DRAIN_SECONDS)


def kill(system: System) -> None:
    """Kill NATS, as soon as it lives."""
    victim: psutil.Process = until(lambda: parts(system).get("NATS"), 60)
    victim.kill()
    victim.wait(10)
