"""The script that makes the databases of a server in production, run on a server of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.postgres import PostgresServer
from embedded.roles import Database
from tests.integration.conftest import DATABASES, a_postgres, running
from tests.integration.psql import Psql
from tests.processes import ROOT

SCRIPT = ROOT / "k8s/servers/postgres/databases.sql"
PASSWORDS = dict.fromkeys(re.findall(r"\\getenv \w+ (\w+)", SCRIPT.read_text()), "secret")
DUMP = {
    "database": "SELECT pg_get_userbyid(datdba), ARRAY(SELECT unnest(datacl)::text ORDER BY 1)"
    " FROM pg_database WHERE datname = current_database()",
    "defaults": "SELECT pg_get_userbyid(defaclrole), defaclobjtype::text,"
    " ARRAY(SELECT unnest(defaclacl)::text ORDER BY 1) FROM pg_default_acl ORDER BY 2",
    # Who granted it is another superuser's matter.
    "schema": "SELECT grantee::regrole::text, privilege_type FROM pg_namespace,"
    " aclexplode(nspacl) WHERE nspname = 'public' ORDER BY 1, 2",
    "roles": "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles"
    " WHERE rolname LIKE '%%svc%%' ORDER BY 1",
}


@pytest.fixture(scope="module")
def fresh(server_folder: Path) -> Iterator[PostgresServer]:
    """Return a server without our databases, on which an administrator is no superuser."""
    for server in running(a_postgres(server_folder / "fresh")):
        server.execute("CREATE ROLE admin LOGIN CREATEROLE CREATEDB")
        if int(server.execute("SHOW server_version_num")[0][0]) < 150000:
            # There, a managed server's administrator is what may grant on `public`.
            server.execute("ALTER ROLE admin SUPERUSER")
        psql = Psql(server.uri("postgres", "admin").replace("+psycopg2", ""), PASSWORDS)
        psql.run(SCRIPT)
        psql.close()
        yield server


def shape(server: PostgresServer, database: str) -> dict[str, list[tuple[object, ...]]]:
    return {what: server.execute(query, database=database) for what, query in DUMP.items()}


@pytest.mark.parametrize("name", DATABASES)
def test_the_embedded_databases_are_as_those_of_the_script(
    fresh: PostgresServer, postgres: PostgresServer, name: str
) -> None:
    made, embedded = shape(fresh, name), shape(postgres, name)
    roles = {role for each in DATABASES for role in vars(Database.of(each)).values()}
    assert {row[0] for row in made["roles"]} == roles
    embedded["roles"] = [row for row in embedded["roles"] if row[0] in roles]
    assert made == embedded


@pytest.mark.parametrize("name", DATABASES)
def test_timeouts_hold_also_behind_a_pooler(fresh: PostgresServer, name: str) -> None:
    ((settings,),) = fresh.execute("SELECT rolconfig FROM pg_roles WHERE rolname = %s", name)
    assert sorted(settings) == [
        "idle_in_transaction_session_timeout=4s",
        "lock_timeout=1s",
        "statement_timeout=2s",
    ]
