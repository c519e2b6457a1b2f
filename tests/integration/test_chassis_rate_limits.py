"""Counters in Valkey: the answers of one process, for all of them; and when it is away (D15)."""

import logging
import secrets
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from nameko import config as settings

from chassis.rate_limits.leases import (
    Ask,
    Grant,
    Leases,
    LocalLeases,
    RedisLeases,
    SharedLeases,
)
from chassis.rate_limits.limiter import RateLimiter
from chassis.rate_limits.rate import Rate
from embedded import ports
from embedded.valkey import ValkeyServer
from tests.processes import until

NOON = 43_200.0


@pytest.fixture(params=["process", "Valkey"])
def leases(request: pytest.FixtureRequest) -> Leases:
    if request.param == "process":
        return LocalLeases()
    return RedisLeases(redis.Redis.from_url(request.getfixturevalue("valkey_url")))


@pytest.fixture
def who() -> str:
    return secrets.token_hex(8)


def test_a_part_of_what_is_left_is_granted(leases: Leases, who: str) -> None:
    some = Rate("some", 64, 60)
    first = Ask(some, who, NOON)
    assert leases.grant([first]) == [Grant(2, 2, 0)]
    assert leases.grant([first, Ask(some, who + "2", NOON)]) == [Grant(2, 4, 0), Grant(2, 2, 0)]
    for _ in range(100):
        (last,) = leases.grant([first])
    assert last == Grant(0, 64, 0)
    assert leases.grant([Ask(some, who, NOON + 60)]) == [Grant(0, 0, 64)]
    assert leases.grant([Ask(some, who, NOON + 75)]) == [Grant(1, 1, 64)]
    assert leases.grant([Ask(some, who, NOON + 180)]) == [Grant(2, 2, 0)]


def test_counters_go_when_they_no_longer_count(valkey_url: str, who: str) -> None:
    client = redis.Redis.from_url(valkey_url)
    ask = Ask(Rate("some", 5, 60), who, time.time())
    RedisLeases(client).grant([ask])
    assert 60 < client.ttl(ask.counters()[0]) <= 120


@pytest.fixture
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"), ports.free_port())
    server.start()
    yield server
    server.stop()


def shared(server: ValkeyServer) -> SharedLeases:
    with settings.patch({"A_URL": server.url}):
        return SharedLeases("A_URL", "toy")


def passed(limiter: RateLimiter, rate: Rate, who: str, times: int) -> int:
    verdicts = [limiter.admit([(rate, who)], NOON) for _ in range(times)]
    return sum(verdict is not None and verdict.admitted for verdict in verdicts)


def test_processes_share_one_limit(own_valkey: ValkeyServer, who: str) -> None:
    some = Rate("some", 40, 60)
    one, other = RateLimiter(shared(own_valkey)), RateLimiter(shared(own_valkey))
    assert passed(one, some, who, 30) == 30
    assert 0 < passed(other, some, who, 30) <= 10


def killed(server: ValkeyServer) -> Callable[[], None]:
    server.kill()
    return server.start


def frozen(server: ValkeyServer) -> Callable[[], None]:
    server.pause()
    return server.resume


@pytest.mark.parametrize("harm", [killed, frozen])
def test_d15_while_the_store_is_away_each_process_counts_for_itself(
    harm: Callable[[ValkeyServer], Callable[[], None]],
    own_valkey: ValkeyServer,
    who: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    some = Rate("some", 1000, 60)
    leases = shared(own_valkey)
    limiter = RateLimiter(leases)
    with caplog.at_level(logging.INFO, "chassis.rate_limits"):
        assert passed(limiter, some, who, 1) == 1
        mend = harm(own_valkey)
        began = time.monotonic()
        assert passed(limiter, some, who + "2", 1100) == 1000  # a limit still holds
        assert time.monotonic() - began < 3  # nobody waits for each request anew
        mend()
        until(lambda: passed(limiter, some, secrets.token_hex(8), 1) and not leases._failures)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
