"""Systems that a fault test may treat as it likes, and the seed that a run can be repeated from."""

import os
import random
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.system import System
from tests.faults.event_log import ApartSystem
from tests.faults.replicas import Replicas


@pytest.fixture(scope="module")
def system_folder() -> Iterator[Path]:
    """Return a folder for a system's data, which PostgreSQL's user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="delinkcious-faults-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def tireless(system_folder: Path) -> Iterator[System]:
    """Return a running system that starts killed parts again for ever, and cuts nobody's news."""
    system = System(system_folder)
    system.command = [sys.executable, "-m", "tests.faults.own_environments"]
    system.env |= {"FEED_LENGTH": "1000000"}
    system.start()
    yield system
    system.stop()


@pytest.fixture(scope="module")
def apart(system_folder: Path) -> Iterator[ApartSystem]:
    """Return a running system whose log of events is on a NATS of its own."""
    system = ApartSystem(system_folder)
    system.start()
    yield system
    system.stop()


@pytest.fixture(scope="module")
def replicas(system_folder: Path) -> Iterator[Replicas]:
    """Return two replicas of every service, which run."""
    replicas = Replicas(system_folder)
    replicas.start()
    yield replicas
    replicas.stop()


@pytest.fixture
def chance(capsys: pytest.CaptureFixture[str]) -> random.Random:
    """Return the run's chance; FAULTS_SEED repeats a run."""
    seed = int(os.environ.get("FAULTS_SEED") or secrets.randbelow(10**6))
    with capsys.disabled():
        print(f"\nFAULTS_SEED={seed}")
    return random.Random(seed)
