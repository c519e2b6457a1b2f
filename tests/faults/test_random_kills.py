"""Links are added over HTTP while services and servers are killed at random.

FAULTS_ADDS, FAULTS_KILLS and FAULTS_SERVICE_KILLS say how much; FAULTS_SEED repeats a run.
"""

import os
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.e2e.api import Api, person
from tests.e2e.survival import SERVERS, SERVICES, parts
from tests.e2e.system import System
from tests.faults.authors import feed
from tests.faults.checker import Log, links
from tests.processes import until

AUTHORS = 4
FOLLOWERS = 2
ADDS_A_KILL = 40
ANSWER_SECONDS = 5.0
HEAL_SECONDS = 120.0
PARTS = (*SERVICES, *SERVERS.values())


@pytest.mark.long
def test_many_kills_lose_and_repeat_nothing(tireless: System, chance: random.Random) -> None:
    adds, kills = (
        int(os.environ.get(f"FAULTS_{what}", most))
        for what, most in (("ADDS", "10000"), ("KILLS", "50"))
    )
    kill_while_adding(tireless, chance, adds, chance.choices(PARTS, k=kills))


@pytest.mark.long
def test_each_service_is_killed_again_and_again(tireless: System, chance: random.Random) -> None:
    """B16: each of them as often as FAULTS_SERVICE_KILLS says."""
    victims = [*SERVICES] * int(os.environ.get("FAULTS_SERVICE_KILLS", "100"))
    chance.shuffle(victims)
    kill_while_adding(tireless, chance, ADDS_A_KILL * len(victims), victims)


def kill_while_adding(
    system: System, chance: random.Random, adds: int, names: Sequence[str]
) -> None:
    """Add links, so many in all, and kill these parts, in this order, whenever chance says."""
    suffix = f"{chance.randrange(10**9)}"
    authors = [person(system.url, f"author{n}-{suffix}") for n in range(AUTHORS)]
    readers = [person(system.url, f"reader{n}-{suffix}") for n in range(FOLLOWERS)]
    for reader in readers:
        for author in authors:
            reader.follow(author.name)
    log, pause = Log(), threading.Event()
    victims = dict(zip(sorted(chance.sample(range(adds), len(names))), names, strict=True))
    numbers, killed = iter(range(adds)), []
    turn = threading.Lock()

    def go_on(author: Api) -> None:
        while True:
            with turn:
                if (number := next(numbers, None)) is None:
                    return
                if number in victims:
                    killed.append(kill(system, victims[number]))
            if not log.add(author, f"https://example.org/{author.name}/{number}"):
                pause.wait(0.5)  # somebody who is told to come later

    with ThreadPoolExecutor(AUTHORS) as pool:
        list(pool.map(go_on, authors))
    until(system.is_ready, HEAL_SECONDS)
    report(log, killed)
    assert log.odd == []
    assert max(log.seconds, default=0.0) < ANSWER_SECONDS
    assert len(log.acknowledged) > adds / 3
    there = {author.name: links(author) for author in authors}
    found = [url for urls in there.values() for url in urls]
    assert log.judge(found).clean, log.judge(found)
    for reader in readers:
        until(lambda reader=reader: len(feed(reader)) >= len(found), HEAL_SECONDS)
        told = feed(reader)
        assert log.judge(told).clean, log.judge(told)
        for name, urls in there.items():
            assert [url for url in told if f"/{name}/" in url] == urls


def kill(system: System, name: str) -> str:
    """Kill a part, as soon as it lives, with whatever it has begun."""
    victim: psutil.Process = until(lambda: parts(system).get(name), HEAL_SECONDS)
    victim.kill()
    victim.wait(10)
    return name


def report(log: Log, killed: list[str]) -> None:
    seconds = sorted(log.seconds) or [0.0]
    late = seconds[int(0.99 * (len(seconds) - 1))]
    print(f"killed: {', '.join(killed)}\nanswers: {dict(log.answers)}")
    print(f"errors after: p99 {late:.2f} s, at most {seconds[-1]:.2f} s")
