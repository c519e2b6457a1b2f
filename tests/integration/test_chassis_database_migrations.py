"""Migrations as an operator runs them."""

import importlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, inspect

from embedded.roles import Database
from tests.integration.service_database import alembic

SERVICES = ("link_svc", "social_graph_svc", "user_svc")


@pytest.fixture(params=SERVICES)
def service(request):
    return request.param


@pytest.fixture
def uri(postgres, service):
    name = f"{service}_migrations"
    postgres.ensure_database(Database.of(service, name))
    yield postgres.uri(name, f"{service}_owner")
    postgres.drop_database(name)


def tables(uri):
    engine = create_engine(uri)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_models_and_migrations_agree_and_there_is_a_way_back(service, uri):
    alembic(service, "upgrade", "head", uri=uri)
    assert "No new upgrade operations" in alembic(service, "check", uri=uri)
    metadata = importlib.import_module(f"{service}.models").Base.metadata
    assert tables(uri) == {*metadata.tables, "alembic_version"}
    alembic(service, "downgrade", "base", uri=uri)
    assert tables(uri) == {"alembic_version"}
    assert "CREATE TABLE" in alembic(service, "upgrade", "head", "--sql", uri=uri)


@pytest.mark.parametrize("service", ["user_svc"])
def test_two_who_migrate_at_once_do_not_meet(service, uri):
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(alembic, service, "upgrade", "head", uri=uri) for _ in range(2)]
        assert all(run.exception() is None for run in runs)
    assert "users" in tables(uri)
