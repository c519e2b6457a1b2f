"""A soak: mixed load for FAULTS_SOAK_MINUTES, and a mishap every 30 seconds (A21).

FAULTS_SOAK_RATE is the number of requests a second, or a few more; FAULTS_SEED repeats a run.
Services are killed in the first half only, so that in the second each lives long enough for its
memory and its open files to be judged.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api import person
from tests.e2e.survival import SERVICES, parts
from tests.faults.checker import Log, links
from tests.faults.hops import ProxiedSystem
from tests.faults.mishaps import Mishaps
from tests.faults.mixed_load import Answers, Author, Reader, Wanderer
from tests.faults.vitals import Vitals
from tests.processes import until

pytestmark = pytest.mark.long

MINUTES = float(os.environ.get("FAULTS_SOAK_MINUTES", "60"))
RATE = float(os.environ.get("FAULTS_SOAK_RATE", "20"))
AUTHORS, READERS, WANDERERS = 4, 2, 2
MISHAP_SECONDS = 30.0
SAMPLE_SECONDS = 5.0
ANSWER_SECONDS = 5.0
HEAL_SECONDS = 120.0
GROWTH = 1.05
WARM_UP_MINUTES = 10.0  # of a half, before its memory is measured
SPARE_FILES = 5  # connections come and go


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


class Town:
    """Everybody who does something."""

    def __init__(self, url: str, chance: random.Random) -> None:
        suffix = f"{chance.randrange(10**9)}"
        self.answers = Answers()
        self.stop = threading.Event()

        def people(what: str, count: int) -> list[Any]:
            return [person(url, f"{what}{number}-{suffix}") for number in range(count)]

        def own() -> random.Random:
            return random.Random(chance.random())

        self.authors = [Author(api, self.answers, own()) for api in people("author", AUTHORS)]
        names = [author.api.name for author in self.authors]
        self.readers = [Reader(api, self.answers) for api in people("reader", READERS)]
        for reader in self.readers:
            for name in names:
                reader.api.follow(name)
        self.wanderers = [
            Wanderer(api, self.answers, own(), names) for api in people("wanderer", WANDERERS)
        ]

    def live(self) -> None:
        """Do things until told to stop."""
        all_of_them = [*self.authors, *self.readers, *self.wanderers]
        pause = len(all_of_them) / RATE

        def go_on(one: Author | Reader | Wanderer) -> None:
            while not self.stop.wait(pause):
                one.act()

        with ThreadPoolExecutor(len(all_of_them)) as pool:
            list(pool.map(go_on, all_of_them))

    def check_links(self) -> None:
        """Compare what is there with what was answered."""
        for author in self.authors:
            found = Counter(links(author.api))
            assert max(found.values()) == 1
            assert not author.links.keys() - found.keys(), "lost"
            assert not author.gone & found.keys(), "there again"
            assert found.keys() <= author.links.keys() | author.doubtful, "unexpected"

    def check_news(self) -> None:
        """Compare what readers were told, on their way, with what was answered."""
        for author in self.authors:
            log = Log(attempted=author.attempted, acknowledged=author.told)
            for reader in self.readers:
                until(lambda reader=reader, log=log: self._has_all(reader, log), HEAL_SECONDS)
        attempted = set().union(*(author.attempted for author in self.authors))
        told = set().union(*(author.told for author in self.authors))
        for reader in self.readers:
            verdict = Log(attempted=attempted, acknowledged=told).judge(reader.seen)
            assert verdict.clean, verdict
            assert reader.wrong == []
            assert reader.seen == self.readers[0].seen
        for wanderer in self.wanderers:
            self._check_wanderer(wanderer)

    def _has_all(self, reader: Reader, log: Log) -> bool:
        reader.act()
        return log.acknowledged <= set(reader.seen)

    def _check_wanderer(self, wanderer: Wanderer) -> None:
        """What a steady reader was told of those whom the wanderer follows now."""
        followed = wanderer.api.following(page_size=100)["following"]
        expected = [e for e in self.readers[0].seen if e.split()[1].split("/")[3] in followed]
        reader = Reader(wanderer.api, Answers())

        def same() -> bool:
            reader.seen, reader.page, reader._token = [], [], ""
            reader.act()
            return reader.seen == expected[-len(reader.seen) :] and (
                len(reader.seen) >= min(len(expected), 900)
            )

        until(same, HEAL_SECONDS)


def test_soak(system: ProxiedSystem, chance: random.Random) -> None:
    """A21: nothing is lost or doubled, every answer is clear, and nothing grows."""
    town, mishaps, vitals = Town(system.url, chance), Mishaps(system, chance), Vitals(system)
    began = time.monotonic()
    end = began + MINUTES * 60
    half = (began + end) / 2
    with ThreadPoolExecutor(2) as pool:
        living = pool.submit(town.live)
        watching = pool.submit(watch, vitals, town.stop)
        try:
            while time.monotonic() < end - MISHAP_SECONDS:
                due = time.monotonic() + MISHAP_SECONDS
                befall(system, mishaps, services_too=time.monotonic() < half)
                town.stop.wait(max(0.0, due - time.monotonic()))
        finally:
            town.stop.set()
        living.result()
        watching.result()
    until(system.is_ready, HEAL_SECONDS)
    report(town, mishaps, vitals, half)
    town.check_links()
    town.check_news()
    assert town.answers.odd == []
    assert max(town.answers.seconds, default=0.0) < ANSWER_SECONDS
    if MINUTES / 2 >= 2 * WARM_UP_MINUTES:
        for name in SERVICES:
            before, after, files_before, files_after = grown(vitals, name, half)
            assert after < before * GROWTH, name
            assert files_after <= files_before + SPARE_FILES, name


def befall(system: ProxiedSystem, mishaps: Mishaps, services_too: bool) -> None:
    """Let something happen; whoever is not killed goes on living."""
    before, killed = alive(system), Counter(mishaps.killed)
    mishaps.befall(services_too)
    victims = (mishaps.killed - killed).keys()
    after = alive(system)
    died = {name for name, pid in before.items() if after.get(name) != pid} - victims
    assert not died, (died, mishaps.others, system.said()[-2000:])


def alive(system: ProxiedSystem) -> dict[str, int]:
    return {name: part.pid for name, part in parts(system).items()}


def watch(vitals: Vitals, stop: threading.Event) -> None:
    while not stop.wait(SAMPLE_SECONDS):
        vitals.take()


def grown(vitals: Vitals, name: str, half: float) -> tuple[float, float, int, int]:
    return vitals.growth(name, half + min(WARM_UP_MINUTES, MINUTES / 8) * 60)


def report(town: Town, mishaps: Mishaps, vitals: Vitals, half: float) -> None:
    seconds = sorted(town.answers.seconds) or [0.0]
    late = seconds[int(0.99 * (len(seconds) - 1))]
    print(f"\nanswers: {dict(town.answers.counts)}")
    print(f"no success after: p99 {late:.2f} s, at most {seconds[-1]:.2f} s")
    print(f"odd: {town.answers.odd[:20]}")
    print(f"killed: {dict(mishaps.killed)}\nbesides: {dict(mishaps.others)}")
    for name in SERVICES:
        before, after, files_before, files_after = grown(vitals, name, half)
        print(
            f"{name}: {before:.1f} MiB, then {after:.1f} MiB ({100 * (after / before - 1):+.1f} %);"
            f" {files_before} files, then {files_after}"
        )
