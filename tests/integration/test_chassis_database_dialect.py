"""What a transaction costs: how often the database is waited for."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg2 import extensions, extras
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chassis.database import dialect
from chassis.database.transactions import each_statement_alone, transaction
from embedded.postgres import PostgresServer
from tests.integration.service_database import unmigrated

ONE = text("SELECT 1")
COUNT = text("SELECT count(*) FROM things")
ADD = text("INSERT INTO things VALUES (:name)")
NAME = "round_trips"


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[str]:
    with unmigrated(postgres, "user_svc", NAME):
        table = "CREATE TABLE things (name varchar PRIMARY KEY)"
        postgres.execute(f"SET ROLE user_svc_owner; {table}", database=NAME)
        yield postgres.uri(NAME, "user_svc")


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = dialect.engine_at(database, pool_size=1, max_overflow=0, pool_pre_ping=True)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM things"))
    yield engine
    engine.dispose()


@pytest.fixture
def waits(engine: Engine) -> Iterator[list[Any]]:
    """Count how often psycopg2 waits: once for each answer of the server."""
    waits: list[Any] = []

    def wait(connection: Any) -> None:
        waits.append(connection)
        extras.wait_select(connection)

    extensions.set_wait_callback(wait)
    yield waits
    extensions.set_wait_callback(None)


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(COUNT) or 0)


def test_read_is_one_round_trip(engine: Engine, waits: list[Any]) -> None:
    with Session(engine) as session:
        with each_statement_alone(session):
            assert session.scalar(ONE) == 1
        with each_statement_alone(session) as connection:
            assert connection.scalar(ONE) == 1
    assert len(waits) == 2


def test_begin_goes_along_with_the_first_statement(engine: Engine, waits: list[Any]) -> None:
    with Session(engine) as session, transaction(session):
        session.execute(ADD, {"name": "a"})
        with transaction(session):  # a savepoint, and its release
            session.execute(ADD, {"name": "b"})
    assert len(waits) == 5
    assert count(engine) == 2


def test_transaction_in_which_nothing_was_done_costs_nothing(
    engine: Engine, waits: list[Any]
) -> None:
    with engine.begin():
        pass
    with engine.connect():
        pass
    assert waits == []


@pytest.mark.parametrize("way", ["execute", "executemany", "copy_expert", "bytes"])
def test_all_is_undone_however_it_was_done(engine: Engine, way: str) -> None:
    with engine.connect() as connection:
        connection.begin()
        cursor = connection.connection.cursor()
        if way == "execute":
            connection.execute(ADD, {"name": "a"})
        elif way == "executemany":
            cursor.executemany("INSERT INTO things VALUES (%s)", [("a",), ("b",)])
        elif way == "bytes":
            cursor.execute(b"INSERT INTO things VALUES ('a')")
        else:
            cursor.copy_expert("COPY things FROM STDIN", io.StringIO("a\nb\n"))
        connection.rollback()
    assert count(engine) == 0


def test_failed_transaction_leaves_a_good_connection(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(ADD, {"name": "a"})
        with pytest.raises(IntegrityError):
            connection.execute(ADD, {"name": "a"})
    assert count(engine) == 0


def test_connection_that_the_server_ended_is_not_trusted(
    engine: Engine, postgres: PostgresServer
) -> None:
    for _ in range(3):
        assert count(engine) == 0
        postgres.execute(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{NAME}'"
        )
        assert count(engine) == 0
