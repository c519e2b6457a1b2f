"""Which folders an unprivileged user can reach."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.account import Account, can_use

STRANGER = Account(54321, 54321)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that everybody can use. Those that pytest makes are closed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_without_a_user_to_drop_to_everything_is_ours(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert can_use(None, tmp_path)


def test_stranger_can_use_an_open_folder(open_folder: Path) -> None:
    assert can_use(STRANGER, open_folder)


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o744])
def test_stranger_needs_to_read_and_enter(open_folder: Path, mode: int) -> None:
    folder = open_folder / "folder"
    folder.mkdir()
    folder.chmod(mode)
    assert not can_use(STRANGER, folder)


def test_closed_parent_closes_everything_below(open_folder: Path) -> None:
    folder = open_folder / "closed/open"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    assert not can_use(STRANGER, folder)


def test_parent_needs_only_to_be_entered(open_folder: Path) -> None:
    folder = open_folder / "passage/open"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o711)
    assert can_use(STRANGER, folder)


def test_owner_and_group_count_before_others(open_folder: Path) -> None:
    folder = open_folder / "folder"
    folder.mkdir()
    folder.chmod(0o750)
    assert can_use(Account(os.getuid(), 54321), folder)
    assert can_use(Account(54321, folder.stat().st_gid), folder)
    assert not can_use(STRANGER, folder)
