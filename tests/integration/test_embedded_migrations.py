"""The process that migrates: told what to do when it is ready, and it says what went wrong."""

from pathlib import Path

import pytest

from embedded import migrations, ports
from embedded.errors import CannotStart
from embedded.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_database_that_cannot_be_migrated_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"postgresql+psycopg2://nobody@127.0.0.1:{ports.free_port()}/nothing"
    for name in ("LINK", "SOCIAL_GRAPH", "USER"):
        monkeypatch.setenv(f"{name}_DB_OWNER_URI", uri)
    with pytest.raises(CannotStart, match=r"^the migration of link_svc's database failed: .+$"):
        migrations.upgrade(Settings(ROOT), lambda: None)


def test_process_that_was_prepared_in_vain_ends(tmp_path: Path) -> None:
    tmp_path.joinpath("config.yaml").write_text("DB_OWNER_URIS: {}\n")
    prepared = migrations.prepare(Settings(tmp_path))
    migrations.upgrade(Settings(tmp_path), lambda: None, prepared)
    assert prepared.status == 0
