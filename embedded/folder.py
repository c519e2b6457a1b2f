"""The data folder, which one system uses at a time."""

import fcntl
from pathlib import Path
from typing import IO

from embedded.errors import CannotStart


def take(folder: Path) -> IO[bytes]:
    """Make the folder and keep others from it, until the file returned is closed or we end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("wb")
    except OSError as error:
        raise CannotStart(f"the data folder cannot be used: {error}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise CannotStart(f"another system that runs now uses the data folder {folder}") from None
    return lock
