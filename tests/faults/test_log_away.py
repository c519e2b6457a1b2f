"""The log of events is away or full, and so are the feeds: links are added all the same (A2, A14).

The bus is another NATS, and works: without it nobody could be asked for anything.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from tests.e2e.survival import pids
from tests.faults.authors import feed
from tests.faults.checker import links
from tests.faults.event_log import ApartSystem
from tests.faults.pair import HEAL_SECONDS, Pair
from tests.processes import until

PAIRS = 4
ANSWER_SECONDS = 3.0
COMPLETE_SECONDS = 30.0
WINDOW_SECONDS = 120.0


@pytest.fixture
def nobody_dies(apart: ApartSystem) -> Iterator[None]:
    """Check that no process is another one afterwards."""
    before = pids(apart)
    yield
    assert pids(apart) == before


def add_while_away(system: ApartSystem, adds: int, seconds: float) -> float:
    """Add links while the log is away for so long; return how soon all are told after it."""
    pairs = [Pair(system.url) for _ in range(PAIRS)]

    def add(pair: Pair) -> None:
        assert all(pair.add() for _ in range(adds // PAIRS))

    with ThreadPoolExecutor(PAIRS) as pool:
        adding = [pool.submit(add, pair) for pair in pairs]
        until(lambda: pairs[0].number > 3)
        system.log.kill()
        killed = time.monotonic()
        for each in adding:
            each.result()
    assert max(pair.longest for pair in pairs) < ANSWER_SECONDS
    time.sleep(max(0.0, killed + seconds - time.monotonic()))
    system.log.start()
    began = time.monotonic()
    for pair in pairs:
        until(lambda pair=pair: len(feed(pair.bob)) >= pair.number, 10 * COMPLETE_SECONDS)
    took = time.monotonic() - began
    for pair in pairs:
        pair.check()
    assert took < COMPLETE_SECONDS
    return took


@pytest.mark.usefixtures("nobody_dies")
def test_links_are_added_while_the_log_is_away(apart: ApartSystem) -> None:
    """A2, in short: the stream has forgotten what it was given when it comes back."""
    Pair(apart.url).add()
    until(lambda: apart.log.has_stream())
    apart.log.forget_ids_after(0.1)
    try:
        add_while_away(apart, adds=120, seconds=1)
    finally:
        apart.log.forget_ids_after(WINDOW_SECONDS)


@pytest.mark.long
@pytest.mark.usefixtures("nobody_dies")
def test_links_are_added_while_the_log_is_away_for_minutes(apart: ApartSystem) -> None:
    """A2: 5,000 links, and the stream's window as it is declared."""
    print(f"\nall is told {add_while_away(apart, 5000, WINDOW_SECONDS + 5):.1f} s after it is back")


@pytest.mark.usefixtures("nobody_dies")
def test_links_are_added_while_the_log_is_full(apart: ApartSystem) -> None:
    """A14: JetStream refuses by its own limit; what it has no room for waits, and is told later."""
    pair, adds = Pair(apart.url), 40
    assert pair.add()
    pair.check()
    apart.log.leave_room_for(5000)
    try:
        said = len(apart.said())
        assert all(pair.add() for _ in range(adds))
        until(lambda: "events wait in the outbox" in apart.said()[said:])
        assert 0 < len(feed(pair.bob)) < len(links(pair.ann)) == adds + 1
    finally:
        apart.log.make_room()
    pair.check()


@pytest.mark.usefixtures("nobody_dies")
def test_links_are_added_while_valkey_is_full(apart: ApartSystem) -> None:
    """Feeds stand still meanwhile; nobody dies, and nothing is lost."""
    pair = Pair(apart.url)
    assert pair.add()
    pair.check()
    with Redis(port=apart.port("EMBEDDED.VALKEY_PORT")) as valkey:
        valkey.config_set("maxmemory", "1")
        try:
            assert all(pair.add() for _ in range(5))
            until(lambda: "Valkey did not do" in apart.said())
            answer = pair.bob.call("GET", "/v1.0/news")
            assert answer.status_code in (200, 503), answer.text
            assert answer.ok is False or len(answer.json()["events"]) == 1
        finally:
            valkey.config_set("maxmemory", "0")
    until(lambda: len(feed(pair.bob)) == 6, HEAL_SECONDS)
    pair.check()
