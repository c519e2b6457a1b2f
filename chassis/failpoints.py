"""Failpoints: the instants at which a test has this process killed.

A file in FAILPOINTS_DIR, called as the instant is, holds a number: who comes there for the n-th
time takes the file away and is killed. Where the key is empty, as it is but for such a test,
nothing is looked for.
"""

import os
import signal
from pathlib import Path

from nameko.exceptions import ConfigurationError

from chassis import config

_KEY = "FAILPOINTS_DIR"


def check() -> None:
    """Raise ConfigurationError where there are failpoints, and must not be."""
    folder = config.optional(_KEY)
    if folder is None:
        return
    if config.optional("ENVIRONMENT") == "production":
        raise ConfigurationError(f"{_KEY} is for tests: production has none")
    if not Path(folder).is_dir():
        raise ConfigurationError(f"{_KEY} must be a folder, not {folder!r}")


def reach(instant: str) -> None:
    """Come to an instant, and end here if a test says so."""
    folder = config.optional(_KEY)
    if folder is None:
        return
    file = Path(folder, instant)
    try:
        left = int(file.read_text()) - 1
    except (OSError, ValueError):
        return
    if left > 0:
        file.write_text(str(left))
        return
    file.unlink()
    os.kill(os.getpid(), signal.SIGKILL)
