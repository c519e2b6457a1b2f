"""The stores and the relay behind PgBouncer in transaction mode, with fewer connections than asked.

What a session keeps (settings, prepared statements, locks, notices) would be lost there, or found
by another.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from nameko import config
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from chassis.database.postgres import make_engine
from chassis.errors import Unavailable
from chassis.outbox import EventDispatcher
from chassis.outbox.rows import OutboxRows
from embedded.postgres import PostgresServer
from link_svc import models, schemas
from link_svc.store import LinkStore
from tests.integration import pgbouncer
from tests.integration.pgbouncer import POOL_SIZE, PgBouncer
from tests.integration.service_database import migrated
from tests.integration.store_operations import USES
from tests.processes import until

CLIENTS = 12
Connect = Callable[[str], Engine]


@pytest.fixture(scope="module")
def pooler(postgres: PostgresServer, server_folder: Path) -> Iterator[PgBouncer]:
    with pgbouncer.running(postgres, server_folder) as server:
        yield server


@pytest.fixture(params=sorted(USES))
def service(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def engine(postgres: PostgresServer, pooler: PgBouncer, service: str) -> Iterator[Engine]:
    """Return the engine that the service would have."""
    name = f"{service}_pooled"
    with migrated(postgres, service, name):
        config.update(
            {
                "DB_URIS": {
                    f"{service}:Base": pgbouncer.through(pooler, postgres.uri(name, service))
                },
                "DB_POOL_SIZE": CLIENTS,
                "DB_STATEMENT_TIMEOUT_SECONDS": 2,
                "DB_SET_TIMEOUTS": False,
                "RPC_TIMEOUT_SECONDS": 10,
            }
        )
        engine = make_engine(service)
        yield engine
        engine.dispose()


of_links = pytest.mark.parametrize("service", ["link_svc"], indirect=True)


def test_every_operation_works(engine: Engine, service: str) -> None:
    USES[service](engine)


@of_links
def test_many_share_few_connections(engine: Engine, postgres: PostgresServer) -> None:
    events = EventDispatcher("events", models.OutboxEvent, models.OutboxLease)
    together = threading.Barrier(CLIENTS)

    def add(number: int) -> None:
        together.wait()
        with Session(engine) as session:
            store = LinkStore(session, events.dispatch_for(session))
            for n in range(10):
                document = {"url": f"https://example.com/{number}/{n}", "tags": ["t"]}
                store.add(schemas.new_link(f"owner{number % 3}", document), 1000)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(add, range(CLIENTS)))
    rows = OutboxRows(engine, models.OutboxEvent.__table__, models.OutboxLease.__table__, "events")
    versions: dict[str, list[int]] = {}
    for row in rows.take(frozenset()):
        versions.setdefault(row.subject, []).append(row.data["version"])
    assert sorted(versions) == ["owner0", "owner1", "owner2"]
    for each in versions.values():
        assert each == list(range(each[0], each[0] + 40))
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'link_svc_pooled'"
    ((sessions,),) = postgres.execute(query)
    assert 1 <= sessions <= POOL_SIZE < CLIENTS


@of_links
def test_leases_keep_relays_apart(engine: Engine) -> None:
    """Two relays take turns by rows, where locks of a session would not hold."""
    events, leases = models.OutboxEvent.__table__, models.OutboxLease.__table__
    one, other = (OutboxRows(engine, events, leases, "events") for _ in range(2))
    with Session(engine) as session, session.begin():
        dispatcher = EventDispatcher("events", models.OutboxEvent, models.OutboxLease)
        dispatcher.dispatch_for(session)("link.added", "alice", {})
    taken = [row.id for row in one.take(frozenset())]
    assert len(taken) == 1
    assert not other.take(frozenset())
    one.finish([], release=True)
    assert [row.id for row in other.take(frozenset())] == taken


@of_links
def test_the_timeouts_of_the_role_hold(engine: Engine, postgres: PostgresServer) -> None:
    postgres.execute("ALTER ROLE link_svc SET statement_timeout = '300ms'")
    try:
        end_sessions(postgres)
        until(lambda: warm(engine), 10)
        with engine.connect() as connection, pytest.raises(Unavailable):
            connection.execute(text("SELECT pg_sleep(5)"))
    finally:
        postgres.execute("ALTER ROLE link_svc RESET statement_timeout")


@of_links
def test_a_pooler_that_refuses_options_is_named_in_the_log(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    config["DB_SET_TIMEOUTS"] = True
    with caplog.at_level(logging.WARNING), pytest.raises(Unavailable):
        make_engine("link_svc").connect()
    assert "unsupported startup parameter" in caplog.text


@of_links
def test_a_restarted_pooler_goes_unnoticed(engine: Engine, pooler: PgBouncer) -> None:
    warm(engine)
    pooler.stop()
    pooler.start()
    USES["link_svc"](engine)


@of_links
def test_a_restarted_database_is_soon_forgotten(engine: Engine, postgres: PostgresServer) -> None:
    warm(engine)
    postgres.stop()
    try:
        with pytest.raises(Unavailable):
            warm(engine)
    finally:
        postgres.start()
    until(lambda: warm(engine), 10)
    USES["link_svc"](engine)


def end_sessions(postgres: PostgresServer) -> None:
    query = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'link_svc'"
    )
    postgres.execute(query)


def warm(engine: Engine) -> bool:
    """Use several connections at once, so that they stay in the pool."""
    with ExitStack() as stack:
        connections = [stack.enter_context(engine.connect()) for _ in range(POOL_SIZE)]
        return all(each.scalar(text("SELECT 1")) == 1 for each in connections)
