"""The store as it runs in a service: monkey patched, on a server that freezes.

Run as a program, this file is that service; it reads ``METHOD [SECONDS]`` from its standard input
and answers ``OUTCOME SECONDS POOLED-CONNECTIONS-IN-USE``.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import psutil
import pytest

from embedded.postgres import PostgresServer

STATEMENT_SECONDS = 0.5
POOL_SIZE = 3
WORKERS = 64
BOUND = STATEMENT_SECONDS + 1


class Driver:
    def __init__(self, uri: str, pool_seconds: float = 0.5) -> None:
        argv = [sys.executable, "-W", "ignore", __file__, uri, str(pool_seconds)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def ask(self, *words: object) -> tuple[str, float, int]:
        print(*words, file=self.process.stdin)
        assert self.process.stdout is not None
        outcome, seconds, in_use = self.process.stdout.readline().split()
        return outcome, float(seconds), int(in_use)

    def stop(self) -> None:
        self.process.communicate(timeout=10)


@pytest.fixture
def driver(postgres: PostgresServer) -> Iterator[Driver]:
    driver = Driver(postgres.uri("user_svc"))
    yield driver
    postgres.resume()
    driver.stop()


def test_a_deadline_in_mid_query_leaves_a_healthy_pool(driver: Driver) -> None:
    for _ in range(6):  # more than the pool has connections
        assert driver.ask("sleep", 0.2)[::2] == ("Deadline", 0)
    outcome, _, in_use = driver.ask("query")
    assert (outcome, in_use) == ("ok", 0)


def test_a_frozen_server_is_unavailable_even_without_a_deadline(
    driver: Driver, postgres: PostgresServer
) -> None:
    assert driver.ask("query")[0] == "ok"
    postgres.pause()
    for _ in range(3):  # first on the connection that is open, then on new ones
        outcome, seconds, in_use = driver.ask("query")
        assert (outcome, in_use) == ("Unavailable", 0)
        assert seconds < 2 * BOUND + 0.5  # a ping, then a connection
    postgres.resume()
    assert driver.ask("query")[0] == "ok"


def test_a_deadline_holds_on_a_frozen_server(driver: Driver, postgres: PostgresServer) -> None:
    assert driver.ask("query")[0] == "ok"
    postgres.pause()
    for _ in range(3):
        outcome, seconds, in_use = driver.ask("query", 0.3)
        assert (outcome, in_use) == ("Deadline", 0)
        assert seconds < BOUND
    postgres.resume()
    assert driver.ask("query")[0] == "ok"


def test_connections_that_a_frozen_server_never_makes_are_closed(
    driver: Driver, postgres: PostgresServer
) -> None:
    process = psutil.Process(driver.process.pid)
    assert driver.ask("query")[0] == "ok"
    files = process.num_fds()
    postgres.pause()
    for _ in range(12):
        assert driver.ask("query", 0.1)[0] == "Deadline"
    assert process.num_fds() <= files
    postgres.resume()
    assert driver.ask("query")[0] == "ok"


def test_others_go_on_while_one_waits(driver: Driver) -> None:
    assert driver.ask("both")[0] == "ok"


def test_more_workers_than_connections_wait_their_turn(postgres: PostgresServer) -> None:
    patient = Driver(postgres.uri("user_svc"), pool_seconds=30)
    assert patient.ask("crowd", 0.001) == (f"{WORKERS}-served,0-refused", ANY, 0)
    patient.stop()


def test_workers_that_get_no_connection_in_time_are_told_so(driver: Driver) -> None:
    outcome, seconds, in_use = driver.ask("crowd", 0.3)
    served, refused = map(int, re.findall(r"\d+", outcome))
    assert served + refused == WORKERS
    assert 0 < served <= 3 * POOL_SIZE
    assert in_use == 0
    assert seconds < 5  # a third of 64 times 0.3 s would be 6.4 s
    assert driver.ask("query")[0] == "ok"


def serve(uri: str, pool_seconds: float) -> None:
    import eventlet
    from sqlalchemy import text

    from chassis.database.postgres import make_engine
    from chassis.errors import Unavailable

    class Deadline(eventlet.Timeout):
        pass

    config_for(uri, pool_seconds)
    engine = make_engine("user_svc")

    def run(statement: str) -> str:
        with engine.begin() as connection:
            return str(connection.scalar(text(statement)))

    def act(method: str) -> None:
        if method == "both":
            slow = eventlet.spawn(run, f"SELECT pg_sleep({STATEMENT_SECONDS})")
            eventlet.sleep(0.05)
            run("SELECT 1")
            assert not slow.dead
            slow.kill()
        else:
            run("SELECT pg_sleep(0.4)" if method == "sleep" else "SELECT 1")

    def crowd(seconds: float) -> str:
        def work() -> bool:
            try:
                run(f"SELECT pg_sleep({seconds})")
            except Unavailable:
                return False
            return True

        pool = eventlet.GreenPool(WORKERS)
        served = [green.wait() for green in [pool.spawn(work) for _ in range(WORKERS)]].count(True)
        return f"{served}-served,{WORKERS - served}-refused"

    def answer(method: str, seconds: float) -> str:
        if method == "crowd":
            return crowd(seconds)
        try:
            with Deadline(seconds):
                act(method)
        except (Deadline, Unavailable) as error:
            return type(error).__name__
        return "ok"

    for line in sys.stdin:
        method, seconds = [*line.split(), "60"][:2]
        began = time.monotonic()
        outcome = answer(method, float(seconds))
        pool: Any = engine.pool
        print(outcome, time.monotonic() - began, pool.checkedout(), flush=True)


def config_for(uri: str, pool_seconds: float) -> None:
    from nameko import config

    config.update(
        {
            "DB_URIS": {"user_svc:Base": uri},
            "DB_POOL_SIZE": POOL_SIZE,
            "DB_STATEMENT_TIMEOUT_SECONDS": STATEMENT_SECONDS,
            "RPC_TIMEOUT_SECONDS": pool_seconds,
        }
    )


if __name__ == "__main__":
    import eventlet

    eventlet.monkey_patch()
    serve(sys.argv[1], float(sys.argv[2]))
