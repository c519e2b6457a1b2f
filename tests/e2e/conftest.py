"""The system that the end-to-end tests share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.system import System


@pytest.fixture
def own_system() -> Iterator[System]:
    """Return a system that is not started, and that the test may treat as it likes."""
    yield from _system()


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Return a running system for all tests; they tell their data apart by people's names."""
    for system in _system():
        system.start()
        yield system


def _system() -> Iterator[System]:
    # Not in pytest's folder, which PostgreSQL's user cannot reach if we are root.
    folder = Path(tempfile.mkdtemp(prefix="delinkcious-e2e-"))
    folder.chmod(0o755)
    system = System(folder)
    yield system
    system.stop()
    shutil.rmtree(folder, ignore_errors=True)
