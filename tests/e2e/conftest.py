"""The system that the end-to-end tests share."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.api import Api, person
from tests.e2e.system import System

# So few that a test can use them up, and more than the largest page.
MAX_LINKS_PER_USER = 120


@pytest.fixture
def own_system() -> Iterator[System]:
    """Return a system that is not started, and that the test may treat as it likes."""
    yield from a_system()


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Return a running system for all tests; they tell their data apart by people's names."""
    for system in a_system():
        system.env["MAX_LINKS_PER_USER"] = str(MAX_LINKS_PER_USER)
        # Or a token that was good a moment ago hides for a moment that user_svc is away.
        system.env["TOKEN_CACHE_SECONDS"] = "0.001"
        system.env["REMOVAL_GRACE_SECONDS"] = "1"
        system.start()
        yield system


@pytest.fixture(scope="session")
def newcomer(system: System) -> Callable[[str], Api]:
    """Return what signs in somebody whom no other test knows: alice-5f3c90ab, say."""
    return lambda name: person(system.url, f"{name}-{secrets.token_hex(4)}")


def a_system() -> Iterator[System]:
    """Yield one system, and stop it in the end."""
    # Not in pytest's folder, which PostgreSQL's user cannot reach if we are root.
    folder = Path(tempfile.mkdtemp(prefix="delinkcious-e2e-"))
    folder.chmod(0o755)
    system = System(folder)
    yield system
    system.stop()
    shutil.rmtree(folder, ignore_errors=True)
