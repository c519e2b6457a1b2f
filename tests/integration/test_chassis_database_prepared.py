"""Statements that are planned once on each connection, and what may come between."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError, NotSupportedError
from sqlalchemy.orm import Session

from chassis.database import dialect, prepared
from chassis.database.direct import execute, fetch, fetch_one
from chassis.database.transactions import transaction
from embedded.postgres import PostgresServer
from tests.integration import pgbouncer
from tests.integration.service_database import unmigrated

NAME = "prepared"
GET = prepared.statement("get", "SELECT * FROM things WHERE name = :name")
ADD = prepared.statement("add", "INSERT INTO things (name) VALUES (:name)")
COUNT = prepared.statement("count", "SELECT count(*) AS total FROM things")
# The first part takes parameters, too; %, a colon and a cast are themselves.
TWO = prepared.statement(
    "two",
    "SELECT FROM things WHERE name = :name FOR UPDATE;"
    " SELECT name AS \"100%\", '\\:x' AS colon, CAST(:number AS int)::text AS number"
    " FROM things WHERE name LIKE '%' AND name = :name",
)


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[str]:
    with unmigrated(postgres, "user_svc", NAME):
        yield postgres.uri(NAME, "user_svc")


@pytest.fixture
def engine(postgres: PostgresServer, database: str) -> Iterator[Engine]:
    as_owner(postgres, "DROP TABLE IF EXISTS parts, things")
    as_owner(postgres, "CREATE TABLE things (name varchar PRIMARY KEY)")
    engine = dialect.engine_at(database, pool_size=1, max_overflow=0, pool_pre_ping=True)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def as_owner(postgres: PostgresServer, statement: str) -> None:
    postgres.execute(f"SET ROLE user_svc_owner; {statement}", database=NAME)


def plans(session: Session) -> int:
    return len(fetch(session, "SELECT name FROM pg_prepared_statements", {}))


def test_statement_is_prepared_once_on_its_connection(session: Session) -> None:
    for name in ("a", "b", "b'c"):
        execute(session, ADD, {"name": name})
    assert fetch_one(session, COUNT, {}).total == 3
    assert fetch_one(session, GET, {"name": "b'c"}) == ("b'c",)
    assert fetch_one(session, GET, {"name": "x"}) is None
    assert plans(session) == 3


def test_what_goes_before_takes_parameters_too(session: Session) -> None:
    execute(session, ADD, {"name": "a"})
    row = fetch_one(session, TWO, {"name": "a", "number": 7})
    assert tuple(row) == ("a", ":x", "7")
    assert row.number == "7"


def test_plans_made_for_small_tables_are_not_kept_for_large_ones(
    postgres: PostgresServer, session: Session
) -> None:
    as_owner(
        postgres,
        "ALTER TABLE things SET (autovacuum_enabled = off); INSERT INTO things VALUES ('first');"
        "CREATE TABLE parts (thing varchar REFERENCES things)",
    )
    postgres.execute("ANALYZE things", database=NAME)
    part = prepared.statement("part", "INSERT INTO parts VALUES ('first')")

    def reads_all() -> bool:
        seen = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'things'"
        with transaction(session):
            before = fetch_one(session, seen, {})
            execute(session, part, {})
            return bool(fetch_one(session, seen, {}).seq_scan > before.seq_scan)

    for _ in range(10):  # PostgreSQL has decided
        execute(session, part, {})
    assert reads_all()  # of one row, there is nothing quicker
    as_owner(postgres, "INSERT INTO things SELECT n::text FROM generate_series(1, 5000) AS n")
    assert reads_all()
    for _ in range(prepared.PLANS_LAST):
        execute(session, part, {})
    assert not reads_all()


def test_text_of_many_shapes_is_prepared_up_to_a_bound(session: Session) -> None:
    for number in range(prepared.MOST_SHAPES + 10):
        shape = prepared.prepared("shape", f"SELECT {number} AS n")
        assert fetch_one(session, shape, {}).n == number
    assert plans(session) == prepared.MOST_SHAPES


def test_many_shapes_leave_room_for_what_always_comes(session: Session) -> None:
    for number in range(prepared.MOST_SHAPES + 10):
        fetch(session, prepared.prepared("shape", f"SELECT {number} AS n"), {})
    execute(session, ADD, {"name": "a"})
    assert plans(session) == prepared.MOST_SHAPES + 1


def test_statement_is_part_of_the_transaction_that_is_open(session: Session) -> None:
    session.begin()
    execute(session, ADD, {"name": "a"})
    assert fetch_one(session, COUNT, {}).total == 1
    session.rollback()
    assert fetch_one(session, COUNT, {}).total == 0


def test_refusal_is_sqlalchemys_and_leaves_a_good_connection(session: Session) -> None:
    execute(session, ADD, {"name": "a"})
    with pytest.raises(IntegrityError, match="things_pkey"):
        execute(session, ADD, {"name": "a"})
    with transaction(session), pytest.raises(IntegrityError), transaction(session):
        execute(session, ADD, {"name": "a"})
    assert fetch_one(session, COUNT, {}).total == 1


def test_column_that_a_migration_adds_breaks_no_plan(
    session: Session, postgres: PostgresServer
) -> None:
    execute(session, ADD, {"name": "a"})
    assert fetch_one(session, GET, {"name": "a"}) == ("a",)
    as_owner(postgres, "ALTER TABLE things ADD COLUMN number int NOT NULL DEFAULT 7")
    assert fetch_one(session, GET, {"name": "a"}) == ("a", 7)
    assert fetch_one(session, GET, {"name": "a"}) == ("a", 7)  # prepared anew
    as_owner(postgres, "ALTER TABLE things ADD COLUMN more int")
    with pytest.raises(NotSupportedError), transaction(session):
        fetch_one(session, GET, {"name": "a"})
    with transaction(session):
        assert fetch_one(session, GET, {"name": "a"}) == ("a", 7, None)


def test_session_that_has_forgotten_its_plans_is_served(session: Session) -> None:
    execute(session, ADD, {"name": "a"})
    fetch(session, "DEALLOCATE ALL", {})
    execute(session, ADD, {"name": "b"})
    execute(session, ADD, {"name": "c"})
    assert fetch_one(session, COUNT, {}).total == 3


def test_nothing_is_prepared_behind_a_pooler(
    engine: Engine, postgres: PostgresServer, server_folder: Path
) -> None:
    with (
        pgbouncer.before(postgres, server_folder, engine) as pooled,
        Session(pooled) as session,
    ):
        execute(session, ADD, {"name": "a"})
        assert fetch_one(session, GET, {"name": "a"}) == ("a",)
        assert plans(session) == 0


def test_connection_that_the_server_ended_is_replaced(
    session: Session, postgres: PostgresServer
) -> None:
    execute(session, ADD, {"name": "a"})
    postgres.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{NAME}'"
    )
    assert fetch_one(session, GET, {"name": "a"}) == ("a",)


def test_whoever_listens_for_commits_hears_of_a_statement_alone(
    engine: Engine, session: Session
) -> None:
    commits: list[Session] = []
    event.listen(session, "after_commit", commits.append)
    execute(session, ADD, {"name": "a"})
    assert commits == [session]
    with pytest.raises(IntegrityError):
        execute(session, ADD, {"name": "a"})
    assert commits == [session]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM things")) == 1
