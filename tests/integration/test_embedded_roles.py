"""What the role of a service may do in its database, and what only the tables' owner may."""

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import errors

from embedded.postgres import PostgresServer
from embedded.roles import Database
from tests.integration.service_database import unmigrated

CHANGES_OF_THE_SCHEMA = [
    "ALTER TABLE things ADD COLUMN more int",
    "ALTER TABLE things RENAME TO others",
    "DROP TABLE things",
    "TRUNCATE things",
    "CREATE INDEX ON things (name)",
    "CREATE TABLE others (id int)",
    "CREATE SCHEMA others",
    "CREATE TRIGGER t AFTER INSERT ON things EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE EXTENSION pg_trgm",
]
NOT_FOR_SERVICES = [
    "CREATE TEMPORARY TABLE others (id int)",
    "CREATE ROLE other",
    "ALTER ROLE keeper_svc SUPERUSER",
    "SET ROLE keeper_svc_owner",
    "COPY things TO PROGRAM 'true'",
]


def run(uri: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(uri.replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture(scope="module")
def keeper(postgres: PostgresServer) -> Iterator[Database]:
    with unmigrated(postgres, "keeper_svc", "keeper") as database:
        run(postgres.uri("keeper", database.owner), CREATE_THINGS)
        yield database


CREATE_THINGS = "CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY, name text)"


@pytest.fixture
def service(postgres: PostgresServer, keeper: Database) -> str:
    return postgres.uri(keeper.name, keeper.service)


@pytest.fixture
def owner(postgres: PostgresServer, keeper: Database) -> str:
    return postgres.uri(keeper.name, keeper.owner)


def test_a_service_reads_and_writes_rows(service: str) -> None:
    assert run(service, "INSERT INTO things (name) VALUES ('a') RETURNING name") == [("a",)]
    assert run(service, "SELECT name FROM things FOR UPDATE") == [("a",)]
    assert run(service, "UPDATE things SET name = 'b' RETURNING name") == [("b",)]
    assert run(service, "DELETE FROM things RETURNING name") == [("b",)]


@pytest.mark.parametrize("statement", [*CHANGES_OF_THE_SCHEMA, *NOT_FOR_SERVICES])
def test_a_service_cannot(service: str, statement: str) -> None:
    with pytest.raises((errors.InsufficientPrivilege, psycopg2.ProgrammingError)) as refusal:
        run(service, statement)
    assert refusal.value.pgcode == "42501", refusal.value


@pytest.mark.parametrize("statement", CHANGES_OF_THE_SCHEMA)
def test_the_owner_can(owner: str, statement: str) -> None:
    run(owner, f"BEGIN; {statement}; ROLLBACK")


@pytest.mark.parametrize("role", ["link_svc", "link_svc_owner"])
def test_nobody_looks_into_the_database_of_another(
    postgres: PostgresServer, keeper: Database, role: str
) -> None:
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        run(postgres.uri(keeper.name, role), "SELECT 1")


def test_data_whose_tables_the_service_owned_are_taken_over(postgres: PostgresServer) -> None:
    postgres.execute("CREATE ROLE former_svc LOGIN")
    postgres.execute("CREATE DATABASE former OWNER former_svc")
    service = postgres.uri("former", "former_svc")
    run(service, CREATE_THINGS)
    run(service, "INSERT INTO things (name) VALUES ('kept')")
    for _ in range(2):  # at every start
        postgres.ensure_database(Database.of("former_svc", "former"))
    assert run(service, "SELECT name FROM things") == [("kept",)]
    run(service, "INSERT INTO things (name) VALUES ('more')")
    with pytest.raises(errors.InsufficientPrivilege):
        run(service, "ALTER TABLE things ADD COLUMN more int")
    owner = postgres.uri("former", "former_svc_owner")
    run(owner, "ALTER TABLE things ADD COLUMN more int")
    run(owner, "CREATE TABLE later (id int)")
    run(service, "INSERT INTO later VALUES (1)")
    postgres.drop_database("former")
