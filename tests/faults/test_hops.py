"""Every hop between two parts, through a proxy that breaks it (B13)."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.e2e.api import Api, person
from tests.e2e.survival import pids
from tests.faults import proxy
from tests.faults.authors import feed
from tests.faults.checker import Log, links
from tests.faults.hops import FAULTS, HOPS, ProxiedSystem
from tests.faults.proxy import Fault, Proxy
from tests.processes import until

ANSWER_SECONDS = 5.0
HEAL_SECONDS = 10.0
AT_ONCE = 5  # hops that the quick test breaks


@pytest.fixture(scope="module")
def system(system_folder: Path) -> Iterator[ProxiedSystem]:
    system = ProxiedSystem(system_folder)
    for hop in system.hops.values():
        hop.start()
    system.start()
    yield system
    system.stop()
    for hop in system.hops.values():
        hop.stop()


class World:
    """Ann, who adds links, and bob, who reads of them."""

    def __init__(self, url: str) -> None:
        suffix = str(time.monotonic_ns())
        self.ann, self.bob = person(url, f"ann{suffix}"), person(url, f"bob{suffix}")
        self.bob.follow(f"ann{suffix}")
        self.log = Log()
        self.longest = 0.0
        self.number = 0

    def ask(self) -> None:
        """Ask for everything that the hops lie between, at once; note answers and times."""
        self.number += 1
        url = f"https://example.org/{self.number}"
        with ThreadPoolExecutor(4) as pool:
            adding = pool.submit(timed, lambda: self.log.add(self.ann, url))
            reading = [
                pool.submit(timed, lambda api=api, path=path: self.read(api, path))
                for api, path in (
                    (self.ann, "/v1.0/links"),
                    (self.bob, "/v1.0/news"),
                    (self.bob, "/v1.0/following"),
                )
            ]
            for each in (adding, *reading):
                self.longest = max(self.longest, each.result())

    def read(self, api: Api, path: str) -> None:
        answer = api.call("GET", path)
        clear = answer.headers["Content-Type"] == "application/problem+json"
        if answer.status_code != 200 and not (answer.status_code in (503, 504) and clear):
            self.log.odd.append(f"{path} {answer.status_code}: {answer.text}")

    def well(self) -> bool:
        self.number += 1
        url = f"https://example.org/{self.number}"
        added = self.log.add(self.ann, url) and url in links(self.ann)
        return added and bool(feed(self.bob)) and bool(self.bob.following()["following"])

    def check(self) -> None:
        """Check that all that was answered with success is there, once, in links and news."""
        there = links(self.ann)
        assert self.log.judge(there).clean, self.log.judge(there)
        until(lambda: feed(self.bob) == there)
        assert self.log.odd == []
        assert self.longest < ANSWER_SECONDS


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def disturb(system: ProxiedSystem, world: World, hop: Proxy, fault: Fault, times: int) -> None:
    before = pids(system)
    hop.begin(fault)
    for _ in range(times):
        world.ask()
    hop.begin(proxy.passing)
    began = time.monotonic()
    until(world.well)
    assert time.monotonic() - began < HEAL_SECONDS
    assert pids(system) == before


def break_hops(
    system: ProxiedSystem, chance: random.Random, plan: list[tuple[str, str]], times: int
) -> None:
    """Break hops, each by a fault; each leaves answers within the deadline, and heals alone."""
    world = World(system.url)
    for hop, fault in plan:
        try:
            disturb(system, world, system.hops[hop], FAULTS[fault](chance), times)
        except (AssertionError, requests.RequestException) as error:
            raise AssertionError(f"{hop}, {fault}: {world.log.answers}") from error
    world.check()


def test_some_hops_break_once(system: ProxiedSystem, chance: random.Random) -> None:
    plan = zip(chance.sample(HOPS, AT_ONCE), chance.sample(list(FAULTS), AT_ONCE), strict=True)
    break_hops(system, chance, list(plan), times=1)


@pytest.mark.long
def test_each_hop_breaks_in_every_way(system: ProxiedSystem, chance: random.Random) -> None:
    plan = [(hop, fault) for hop in HOPS for fault in FAULTS]
    chance.shuffle(plan)
    break_hops(system, chance, plan, times=3)
