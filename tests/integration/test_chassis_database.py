"""A service's store on a real PostgreSQL that stops, stalls and refuses."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nameko import config
from nameko.containers import ServiceContainer
from nameko.extensions import Extension
from nameko.testing.services import dummy
from sqlalchemy import String, exc, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from chassis.database import Store
from chassis.database.direct import fetch_one
from chassis.database.prepared import statement
from chassis.errors import Unavailable
from embedded.postgres import PostgresServer
from embedded.roles import Database

pytestmark = pytest.mark.filterwarnings("ignore:.*datetime.utc.*:DeprecationWarning")


GET = statement("get", "SELECT name FROM things WHERE name = :name")


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "things"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)


class ThingStore:
    def __init__(self, session: Session, dispatch: Any = None) -> None:
        self.session = session
        self.dispatch = dispatch

    def run(self, statement: str) -> Any:
        with self.session.begin():
            result = self.session.execute(text(statement))
            return result.scalar() if result.returns_rows else None

    def add(self, name: str) -> None:
        with self.session.begin():
            self.session.add(Thing(name=name))

    def get(self, name: str) -> Any:
        return fetch_one(self.session, GET, {"name": name})

    def lose_the_server(self, stop: Callable[[], None]) -> None:
        self.session.execute(text("SELECT 1"))  # a transaction that nobody ends
        stop()


class Recorder(Extension):
    """Stands where the outbox's dispatcher will."""

    engine: Any = None

    def __init__(self, stream: str) -> None:
        self.stream = stream

    def dispatch_for(self, session: Session) -> tuple[str, Session]:
        return self.stream, session


class ThingService:
    name = "thing_svc"
    things = Store(ThingStore, Base)

    @dummy
    def do(self, act: Callable[[ThingStore], Any]) -> Any:
        return act(self.things)


class TellingService:
    name = "thing_svc"
    things = Store(ThingStore, Base, events=Recorder("thing-events"))

    @dummy
    def do(self, act: Callable[[ThingStore], Any]) -> Any:
        return act(self.things)


@pytest.fixture
def settings(postgres: PostgresServer) -> Iterator[None]:
    postgres.ensure_database(Database.of("thing_svc"))
    config.update(
        {
            "DB_URIS": {"thing_svc:Base": postgres.uri("thing_svc")},
            "DB_POOL_SIZE": 2,
            "DB_STATEMENT_TIMEOUT_SECONDS": 0.6,
            "RPC_TIMEOUT_SECONDS": 0.5,
        }
    )
    yield
    postgres.drop_database("thing_svc")


@pytest.fixture
def container(settings: None, postgres: PostgresServer) -> Iterator[ServiceContainer]:
    container = ServiceContainer(ThingService)
    container.start()
    as_owner(postgres, "CREATE TABLE things (name varchar PRIMARY KEY)")
    yield container
    container.stop()


def as_owner(postgres: PostgresServer, statement: str) -> None:
    postgres.execute(f"SET ROLE thing_svc_owner; {statement}", database="thing_svc")


def call(container: ServiceContainer, act: Callable[[ThingStore], Any]) -> Any:
    """Run a worker to its end, teardown included; nameko's own hook needs a patched threading."""
    outcome: list[Any] = []

    def keep(worker_ctx: Any, result: Any, exc_info: Any) -> Any:
        outcome.append((result, exc_info and exc_info[1]))
        return result, exc_info

    (entrypoint,) = container.entrypoints
    container.spawn_worker(entrypoint, (act,), {}, handle_result=keep)
    container._worker_pool.waitall()
    ((result, error),) = outcome
    if error:
        raise error
    assert not container._died.ready()
    return result


def fill_the_pool(container: ServiceContainer) -> None:
    """Use both connections at once, so that both stay."""
    engine = provider(container).engine
    with engine.connect() as one, engine.connect() as other:
        assert [each.scalar(text("SELECT 1")) for each in (one, other)] == [1, 1]


def provider(container: ServiceContainer) -> Store:
    (store,) = container.dependencies
    return store


def test_each_worker_has_a_session_of_its_own(container: ServiceContainer) -> None:
    call(container, lambda things: things.add("a"))
    first = call(container, lambda things: things.session)
    second = call(container, lambda things: things.session)
    assert first is not second
    assert call(container, lambda things: things.run("SELECT name FROM things")) == "a"
    assert provider(container).engine.pool.checkedout() == 0


def test_events_are_bound_with_the_store_and_get_its_engine(settings: None) -> None:
    container = ServiceContainer(TellingService)
    container.start()
    store = provider(container)
    recorder = store.events
    assert recorder is not TellingService.things.events
    assert recorder in container.subextensions
    assert recorder.is_bound()
    assert recorder.engine is store.engine
    stream, session = call(container, lambda things: things.dispatch)
    assert stream == "thing-events"
    assert isinstance(session, Session)
    container.stop()


def test_a_stopped_server_is_unavailable_and_then_good_again(
    container: ServiceContainer, postgres: PostgresServer
) -> None:
    call(container, lambda things: things.add("before"))
    postgres.stop()
    try:
        for _ in range(5):
            for act in (ThingStore.add, ThingStore.get):
                began = time.monotonic()
                with pytest.raises(Unavailable) as refusal:
                    call(container, lambda things, act=act: act(things, "meanwhile"))
                assert refusal.value.code == "database_unavailable"
                assert time.monotonic() - began < 2
        with pytest.raises(Unavailable):
            provider(container).check()
    finally:
        postgres.start()
    call(container, lambda things: things.add("after"))
    assert call(container, lambda things: things.get("after")) == ("after",)
    assert call(container, lambda things: things.run("SELECT count(*) FROM things")) == 2
    provider(container).check()


def test_a_restart_between_two_calls_goes_unnoticed(
    container: ServiceContainer, postgres: PostgresServer
) -> None:
    fill_the_pool(container)
    postgres.stop()
    postgres.start()
    call(container, lambda things: things.add("after"))
    fill_the_pool(container)


def test_sessions_that_somebody_ends_cost_nobody_an_error(
    container: ServiceContainer, postgres: PostgresServer
) -> None:
    fill_the_pool(container)
    end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s"
    assert postgres.execute(end, "thing_svc") == [(True,), (True,)]
    call(container, lambda things: things.add("after"))
    fill_the_pool(container)


def test_sessions_that_the_server_ends_are_replaced(
    container: ServiceContainer, postgres: PostgresServer
) -> None:
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'thing_svc'"
    with pytest.raises(Unavailable):
        call(container, lambda things: things.run(end_all))
    call(container, lambda things: things.add("after"))


def test_a_server_lost_in_mid_transaction_does_not_end_the_service(
    container: ServiceContainer, postgres: PostgresServer
) -> None:
    try:
        call(container, lambda things: things.lose_the_server(postgres.stop))
    finally:
        postgres.start()
    call(container, lambda things: things.add("after"))
    assert provider(container).engine.pool.checkedout() == 0


def test_a_slow_statement_is_unavailable(container: ServiceContainer) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        call(container, lambda things: things.run("SELECT pg_sleep(5)"))
    assert time.monotonic() - began < 2
    call(container, lambda things: things.add("after"))


def test_a_locked_row_is_unavailable_before_the_deadline(container: ServiceContainer) -> None:
    call(container, lambda things: things.add("a"))
    with provider(container).engine.begin() as other:
        other.execute(text("SELECT * FROM things FOR UPDATE"))
        began = time.monotonic()
        with pytest.raises(Unavailable):
            call(container, lambda things: things.run("DELETE FROM things"))
        assert time.monotonic() - began < 2
    call(container, lambda things: things.run("DELETE FROM things"))


def test_a_used_up_pool_is_unavailable(container: ServiceContainer) -> None:
    engine = provider(container).engine
    with engine.connect(), engine.connect(), pytest.raises(Unavailable):
        call(container, lambda things: things.add("a"))
    call(container, lambda things: things.add("a"))


def test_tables_that_are_not_there_yet_are_unavailable(
    container: ServiceContainer, postgres: PostgresServer
) -> None:
    store = provider(container)
    store.check()
    as_owner(postgres, "DROP TABLE things")
    with pytest.raises(Unavailable):
        call(container, lambda things: things.add("a"))
    with pytest.raises(Unavailable, match="things") as refusal:
        store.check()
    assert refusal.value.code == "database_not_migrated"


def test_columns_that_are_not_there_yet_are_named(
    container: ServiceContainer, postgres: PostgresServer
) -> None:
    store = provider(container)
    as_owner(postgres, "ALTER TABLE things RENAME name TO title")
    with pytest.raises(Unavailable, match=r"things\.name") as refusal:
        store.check()
    assert refusal.value.code == "database_not_migrated"
    as_owner(postgres, "ALTER TABLE things ADD name text")
    store.check()  # what only a newer release knows does not trouble this one


def test_what_a_second_try_would_not_mend_stays_what_it_is(container: ServiceContainer) -> None:
    call(container, lambda things: things.add("a"))
    with pytest.raises(exc.IntegrityError) as error:
        call(container, lambda things: things.add("a"))
    assert "hidden" in str(error.value)  # the values of a statement do not reach the log
    with pytest.raises(exc.DBAPIError):
        call(container, lambda things: things.run("SELECT 1/0"))


def test_the_log_names_the_cause(
    container: ServiceContainer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "chassis.database.errors"), pytest.raises(Unavailable):
        call(container, lambda things: things.run("SELECT pg_sleep(5)"))
    assert "statement timeout" in caplog.text


def test_timeouts_are_set_unless_the_role_has_them(container: ServiceContainer) -> None:
    setting = "SHOW statement_timeout"
    assert call(container, lambda things: things.run(setting)) == "600ms"
    config["DB_SET_TIMEOUTS"] = False
    other = ServiceContainer(ThingService)
    other.start()
    assert call(other, lambda things: things.run(setting)) == "0"
    other.stop()
