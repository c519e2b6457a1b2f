"""The services of earlier releases on today's tables; and that what would break them is noticed."""

import json
from collections.abc import Iterator

import pytest

from embedded.postgres import PostgresServer
from embedded.roles import Database
from tests.integration import releases
from tests.integration.service_database import migrated
from tests.integration.store_operations import USES

RECORDED = sorted(releases.RELEASES.glob("*/*.json"))


@pytest.fixture(scope="module", params=sorted(USES))
def database(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[Database]:
    name = f"{request.param}_release"
    with migrated(postgres, request.param, name):
        yield Database.of(request.param, name)


@pytest.fixture(scope="module")
def links(postgres: PostgresServer) -> Iterator[tuple[Database, list[releases.Statement]]]:
    with migrated(postgres, "link_svc", "link_svc_today") as engine:
        yield Database.of("link_svc", "link_svc_today"), releases.record("link_svc", engine)


def test_releases_are_recorded_for_every_service() -> None:
    found = {(path.parent.name, path.stem) for path in RECORDED}
    assert found == {(version, service) for version, _ in found for service in USES}
    assert found


@pytest.mark.parametrize("version", sorted({path.parent.name for path in RECORDED}))
def test_the_services_of_a_release_find_what_they_found(
    postgres: PostgresServer, database: Database, version: str
) -> None:
    path = releases.RELEASES / version / f"{database.service}.json"
    said = json.loads(path.read_text())
    assert len(said) > 10
    releases.replay(postgres, database, said)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE links ADD COLUMN note text",
        "ALTER TABLE links ADD COLUMN note text NOT NULL DEFAULT ''",
        "CREATE INDEX ON links (title)",
        "CREATE TABLE others (id int)",
        "ALTER TABLE links ALTER COLUMN status DROP NOT NULL",
    ],
)
def test_what_a_migration_adds_breaks_nothing(
    postgres: PostgresServer, links: tuple[Database, list[releases.Statement]], change: str
) -> None:
    releases.replay(postgres, *links, change=change)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE links RENAME COLUMN title TO headline",
        "ALTER TABLE links DROP COLUMN status",
        "ALTER TABLE links ADD COLUMN note text NOT NULL",
        "ALTER TABLE owners ALTER COLUMN version TYPE text",
        "ALTER TABLE links ADD CHECK (url LIKE 'ftp:%')",
        "ALTER TABLE owners DROP CONSTRAINT owners_pkey CASCADE",
        "ALTER TABLE link_tags RENAME TO labels",
        "REVOKE DELETE ON links FROM link_svc",
        "CREATE RULE kept AS ON DELETE TO links DO INSTEAD NOTHING",
    ],
)
def test_what_would_break_a_release_is_noticed(
    postgres: PostgresServer, links: tuple[Database, list[releases.Statement]], change: str
) -> None:
    with pytest.raises(releases.Broken):
        releases.replay(postgres, *links, change=change)
