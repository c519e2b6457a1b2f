"""People remove their accounts under load while whoever has to forget them is killed."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
import requests

from tests.e2e import remains
from tests.e2e.api import Api, person
from tests.e2e.survival import parts
from tests.e2e.system import System
from tests.faults.authors import Author, settled
from tests.processes import until

VICTIMS = ("user_svc", "link_svc", "social_graph_svc", "news_svc", "NATS", "Valkey")
LEAVERS = 12
GONE_SECONDS = 240.0
pytestmark = pytest.mark.long


class Leaver(Author):
    """Somebody who goes on adding links until they are told that they are nobody."""

    def add_until_gone(self) -> None:
        number = len(self.added)
        while True:
            url = f"https://example.org/{self.name}/{number}"
            try:
                answer = self.api.call("POST", "/v1.0/links", json={"url": url})
            except requests.RequestException:
                continue
            if answer.status_code == 401:
                return
            number += 1

    def leave(self) -> None:
        """Remove the account; an answer that was lost is asked for again."""

        def gone() -> bool:
            try:
                answer = self.api.call("DELETE", "/v1.0/me", json={"confirm": self.name})
            except requests.RequestException:
                return False
            return answer.status_code in (200, 401)

        until(gone, GONE_SECONDS)


@contextmanager
def killing(system: System, chance: random.Random) -> Iterator[list[str]]:
    """Kill somebody who has to forget, again and again."""
    ended, killed = threading.Event(), list[str]()

    def work() -> None:
        while not ended.wait(chance.uniform(0.3, 2.0)):
            victim = parts(system).get(chance.choice(VICTIMS))
            if victim is not None:
                try:
                    killed.append(victim.name())
                    victim.kill()
                except psutil.NoSuchProcess:
                    killed.pop()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def test_nothing_is_left_of_those_who_leave_and_nothing_is_lost_of_the_others(
    tireless: System, chance: random.Random, capsys: pytest.CaptureFixture[str]
) -> None:
    suffix = f"x{chance.randrange(10**9)}"

    def come(name: str) -> Api:
        return person(tireless.url, name + suffix)

    stayers = [Author(come(name), name + suffix) for name in ("ann", "amy")]
    reader = come("reader")
    leavers = [Leaver(come(f"leaver{n}-"), f"leaver{n}-{suffix}") for n in range(LEAVERS)]
    for leaver in leavers:
        reader.follow(leaver.name)
        leaver.api.follow(stayers[0].name)
        leaver.api.follow(reader.name)
        for number in range(20):
            leaver.add(number)
    for stayer in stayers:
        reader.follow(stayer.name)

    ended = threading.Event()

    def stay(author: Author) -> None:
        number = 0
        while not ended.is_set():
            author.add(number)
            number += 1

    began = time.monotonic()
    with ThreadPoolExecutor(2 * LEAVERS + 2) as pool, killing(tireless, chance) as killed:
        try:
            staying = [pool.submit(stay, stayer) for stayer in stayers]
            adding = [pool.submit(leaver.add_until_gone) for leaver in leavers]
            for leaver in leavers:
                time.sleep(chance.uniform(0.0, 1.5))
                leaver.leave()
            for work in adding:
                work.result(GONE_SECONDS)
        finally:
            ended.set()
        for work in staying:
            work.result(60)
    names = [leaver.name for leaver in leavers]
    until(lambda: tireless.is_ready(), GONE_SECONDS)
    try:
        until(lambda: not remains.of(tireless, *names), GONE_SECONDS)
    except AssertionError:
        raise AssertionError("\n".join(remains.of(tireless, *names))[:10_000]) from None
    until(lambda: settled(reader, stayers), GONE_SECONDS)
    assert reader.followers()["followers"] == {}
    with capsys.disabled():
        print(f"\n{len(killed)} kills, {LEAVERS} people gone in {time.monotonic() - began:.0f} s")

    # Who comes again is new, and keeps what is new.
    back = person(tireless.url, names[0])
    assert (back.links()["links"], back.following()["following"], back.told()) == ([], {}, [])
    back.add_link("https://example.org/new")
    reader.follow(back.name)
    until(lambda: ("LINK_ADDED", back.name, "https://example.org/new") in told(reader))
    assert back.urls() == ["https://example.org/new"]


def told(reader: Api) -> list[tuple[str, str, str]]:
    return reader.told(order="newest", page_size=10)
