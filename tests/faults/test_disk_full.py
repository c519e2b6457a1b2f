"""The disk under the log of events is really full: a small file system in memory (A14).

Mounting one takes root; without, this says that it is left out. JetStream's own limit, which is met
before the disk is full unless somebody else fills it, is tried in test_log_away.py.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path

import pytest

from tests.e2e.survival import pids
from tests.faults.authors import feed
from tests.faults.event_log import ApartSystem
from tests.faults.pair import HEAL_SECONDS, Pair
from tests.processes import until

SIZE = 16 * 2**20

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("mount"),
        reason="left out: a full disk needs a file system of its own, and only root mounts one",
    ),
]


@pytest.fixture
def disk(system_folder: Path) -> Iterator[Path]:
    """Return a folder with room for SIZE bytes."""
    disk = system_folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"left out: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def system(system_folder: Path, disk: Path) -> Iterator[ApartSystem]:
    system = ApartSystem(system_folder)
    system.log.folder = disk / "log"
    system.start()
    yield system
    system.stop()


def test_links_are_added_while_the_disk_is_full(system: ApartSystem, disk: Path) -> None:
    """A14: the rest is told when there is room, and NATS was started again.

    NATS (2.15.1) does not write again by itself to a stream whose disk was full: see
    docs/operations.md. If it does one day, the last but one check notices.
    """
    pair = Pair(system.url)
    assert pair.add()
    pair.check()
    before = pids(system)
    junk = disk / "junk"
    fill(junk)
    assert all(pair.add() for _ in range(40))
    until(lambda: "events wait in the outbox" in system.said())
    assert len(feed(pair.bob)) < 41
    junk.unlink()
    assert pair.add()
    assert len(feed(pair.bob)) < 41
    system.log.stop()
    system.log.start()
    until(lambda: len(feed(pair.bob)) == 42, HEAL_SECONDS)
    pair.check()
    assert pair.longest < 3.0
    assert pids(system) == before


def fill(file: Path) -> None:
    """Write until there is no room."""
    with file.open("wb", buffering=0) as junk, pytest.raises(OSError, match="No space left"):
        write_without_end(junk)


def write_without_end(file: RawIOBase) -> None:
    while True:
        file.write(bytes(4096))
