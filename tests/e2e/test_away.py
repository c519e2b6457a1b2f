"""A part is away: what needs it answers 503 soon, what doesn't goes on, and all heals alone.

Parts are killed while the runner sleeps, so that they stay away until it wakes up and starts
them again; or they are frozen, and go on where they were.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from typing import Any

import psutil
import pytest
import requests

from embedded.postgres import PostgresServer
from tests.e2e.api import Api, added, assert_told
from tests.e2e.survival import pids
from tests.e2e.system import System
from tests.processes import until

Newcomer = Callable[[str], Api]
Calls = dict[str, Callable[[], requests.Response]]

ANSWER_SECONDS = 3.0
HEAL_SECONDS = 10.0
START_SECONDS = 60.0

EVERYBODYS = {"live", "home", "login"}
LINKS = {"links", "add", "update", "delete"}
GRAPH = {"followers", "following", "unfollow"}
SIGNED_IN = LINKS | GRAPH | {"news", "logout"}

# What needs a part; everything else must go on as if nothing were. Every call with a token asks
# user_svc, over NATS, and user_svc asks PostgreSQL.
NEEDED_BY = {
    "link_svc": LINKS,
    "social_graph_svc": GRAPH,
    "user_svc": SIGNED_IN,
    "news_svc": {"news"},
    "Valkey": {"news"},
    "NATS": SIGNED_IN,
    "PostgreSQL": SIGNED_IN,
}


@dataclass
class World:
    """Alice, whom bob follows, and a link of hers for every purpose."""

    alice: Api
    bob: Api
    numbers: Iterator[int] = field(default_factory=count)
    told: list[str] = field(default_factory=list)

    def url(self) -> str:
        return f"https://example.org/{next(self.numbers)}"

    def add(self) -> requests.Response:
        url = self.url()
        answer = self.alice.call("POST", "/v1.0/links", json={"url": url})
        if answer.ok:
            self.told.append(url)
        return answer

    def calls(self) -> Calls:
        """Return every kind of call; those that write change nothing but ``add``."""
        alice, nobody, link = self.alice, Api(self.alice.url), "/v1.0/links"
        gone, stranger = {"url": "https://example.org/gone", "title": "t"}, {"followed": "stranger"}
        return {
            "live": lambda: nobody.call("GET", "/health/live"),
            "home": lambda: nobody.call("GET", "/"),
            "login": lambda: nobody.call("GET", "/login", allow_redirects=False),
            "links": lambda: alice.call("GET", link),
            "add": self.add,
            "update": lambda: alice.call("PUT", link, json=gone),
            "delete": lambda: alice.call("DELETE", link, json=gone),
            "followers": lambda: alice.call("GET", "/v1.0/followers"),
            "following": lambda: alice.call("GET", "/v1.0/following"),
            "unfollow": lambda: alice.call("DELETE", "/v1.0/following", json=stranger),
            "news": lambda: self.bob.call("GET", "/v1.0/news"),
            "logout": lambda: Api(nobody.url, "dlk_" + "A" * 43).call("GET", "/logout"),
        }


# Their answers when all is well: those that are not 200.
GOOD = {"login": 302, "update": 404, "delete": 404, "unfollow": 404, "logout": 401}


@pytest.fixture
def world(newcomer: Newcomer) -> World:
    world = World(newcomer("alice"), newcomer("bob"))
    world.bob.follow(world.alice.name)
    return world


@contextmanager
def asleep(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@contextmanager
def frozen(system: System, part: str) -> Iterator[None]:
    """Freeze a part and its children; its sockets stay open, and nothing answers."""
    process = psutil.Process(pids(system)[part])
    members = [process, *process.children(recursive=True)]
    for member in members:
        member.suspend()
    try:
        yield
    finally:
        for member in members:
            member.resume()


@contextmanager
def ended(system: System, part: str, signum: signal.Signals) -> Iterator[None]:
    """End a part; the runner, which sleeps meanwhile, then starts it again."""
    runner, *_ = system.processes()
    before = pids(system)[part]
    with asleep(runner):
        os.kill(before, signum)
        until(lambda: part not in pids(system), START_SECONDS)
        yield
    until(lambda: pids(system).get(part, before) != before, START_SECONDS)


def timed(call: Callable[[], requests.Response]) -> tuple[requests.Response, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


def assert_away(name: str, answer: requests.Response, seconds: float) -> None:
    assert answer.status_code == 503, f"{name}: {answer.status_code} {answer.text}"
    assert answer.headers["Content-Type"] == "application/problem+json", name
    assert int(answer.headers["Retry-After"]) >= 1, name
    assert seconds < ANSWER_SECONDS, f"{name}: {seconds:.2f} s"
    assert "Traceback" not in answer.text, name


def assert_good(name: str, answer: requests.Response, seconds: float) -> None:
    assert answer.status_code == GOOD.get(name, 200), f"{name}: {answer.status_code} {answer.text}"
    assert seconds < ANSWER_SECONDS, f"{name}: {seconds:.2f} s"


def assert_only_what_needs_it_is_away(world: World, part: str) -> None:
    calls = world.calls()
    with ThreadPoolExecutor(len(calls)) as pool:
        answers = dict(zip(calls, pool.map(timed, calls.values()), strict=True))
    for name, (answer, seconds) in answers.items():
        check = assert_away if name in NEEDED_BY[part] else assert_good
        check(name, answer, seconds)


def assert_heals(world: World) -> None:
    """Check that every call is good soon, and that the news have every link, each once."""

    def good() -> bool:
        return all(call().status_code == GOOD.get(name, 200) for name, call in calls.items())

    calls = world.calls()
    del calls["add"]
    until(good, HEAL_SECONDS)
    assert world.add().status_code == 200
    assert_told(world.bob, added(world.alice, *world.told))


@pytest.mark.parametrize("part", NEEDED_BY)
def test_frozen_part_is_away_and_comes_back(system: System, world: World, part: str) -> None:
    before = pids(system)
    with frozen(system, part):
        assert_only_what_needs_it_is_away(world, part)
    assert_heals(world)
    assert pids(system) == before


# SIGTERM lets PostgreSQL wait for ever for its clients to leave.
STOP_SIGNALS = {"PostgreSQL": PostgresServer.stop_signal}
# Services take seconds to start: most of them end in the long tests only.
QUICK = [("link_svc", signal.SIGKILL)]
QUICK += [(server, signal.SIGKILL) for server in ("NATS", "Valkey", "PostgreSQL")]
LONG = [
    pytest.param(part, signum, marks=pytest.mark.long)
    for part in NEEDED_BY
    for signum in (signal.SIGKILL, STOP_SIGNALS.get(part, signal.SIGTERM))
    if (part, signum) not in QUICK
]


@pytest.mark.parametrize(("part", "signum"), QUICK + LONG)
def test_ended_part_is_away_and_comes_back(
    system: System, world: World, part: str, signum: signal.Signals
) -> None:
    before = pids(system)
    with ended(system, part, signum):
        assert_only_what_needs_it_is_away(world, part)
        others = {name: pid for name, pid in before.items() if name != part}
        assert pids(system) == others
    until(system.is_ready, START_SECONDS)
    assert_heals(world)
    assert {name: pid for name, pid in pids(system).items() if name != part} == others


@pytest.mark.parametrize("part", ["news_svc", "Valkey"])
def test_links_added_while_the_news_are_away_arrive_later(
    system: System, newcomer: Newcomer, part: str
) -> None:
    world = World(newcomer("alice"), newcomer("bob"))
    world.bob.follow(world.alice.name)
    with frozen(system, part):
        for _ in range(20):
            assert world.add().status_code == 200
    assert_heals(world)


@pytest.mark.parametrize("part", ["link_svc", "news_svc"])
def test_killed_amid_changes_loses_and_repeats_nothing(
    system: System, newcomer: Newcomer, part: str
) -> None:
    authors, bob = authors_and_reader(newcomer)
    succeeded = add_while(authors, [lambda: os.kill(pids(system)[part], signal.SIGKILL)])
    until(system.is_ready, START_SECONDS)
    assert_complete(authors, bob, succeeded)


@pytest.mark.long
def test_everything_killed_in_turn_amid_changes_loses_and_repeats_nothing(
    system: System, newcomer: Newcomer
) -> None:
    authors, bob = authors_and_reader(newcomer)

    def kill(part: str) -> None:
        os.kill(pids(system)[part], signal.SIGKILL)
        until(lambda: part in pids(system) and system.is_ready(), START_SECONDS)

    kills = [lambda part=part: kill(part) for part in (*NEEDED_BY, "gateway")]
    succeeded = add_while(authors, kills)
    assert_complete(authors, bob, succeeded)


def authors_and_reader(newcomer: Newcomer) -> tuple[list[Api], Api]:
    authors, reader = [newcomer("alice"), newcomer("carol")], newcomer("bob")
    for author in authors:
        reader.follow(author.name)
    return authors, reader


def add_while(authors: list[Api], faults: list[Callable[[], None]]) -> set[str]:
    """Add links while the faults happen, and before and after; return the URLs of successes."""
    adds, succeeded = zip(count(), cycle(authors), strict=False), set[str]()

    def add(some: int) -> None:
        for number, author in islice(adds, some):
            url = f"https://example.org/{number}"
            try:
                answer = author.call("POST", "/v1.0/links", json={"url": url})
            except requests.ConnectionError:
                continue  # the gateway itself is away
            assert answer.status_code in (200, 503), answer.text
            if answer.ok:
                succeeded.add(url)

    add(10)
    with ThreadPoolExecutor(1) as pool:
        for fault in faults:
            happening = pool.submit(fault)
            add(2)
            # Not faster: the links of an author and the events of a feed are limited.
            while wait([happening], timeout=0.5).not_done:
                add(1)
            happening.result()
    until(lambda: authors[0].call("GET", "/v1.0/links").ok, START_SECONDS)
    add(6)
    assert len(succeeded) >= 15
    return succeeded


def assert_complete(authors: list[Api], reader: Api, succeeded: set[str]) -> None:
    """Check that each success is a link, and that the news have each link once, in order."""
    kept = {author.name: [link["Url"] for link in everything(author.links)] for author in authors}
    assert succeeded <= {url for urls in kept.values() for url in urls}

    def told() -> dict[str, list[str]]:
        events = list(everything(reader.news))
        return {
            name: [event["Url"] for event in events if event["Username"] == name] for name in kept
        }

    with suppress(AssertionError):  # the one below says more
        until(lambda: told() == kept)
    assert told() == kept


def everything(page: Callable[..., dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Walk through all pages of links or news."""
    token = None
    while token != "":
        answer = page(page_size=100, start_token=token or "")
        yield from answer.get("links", []) + answer.get("events", [])
        token = answer["next_token"]
