"""Which user PostgreSQL runs as, and which folders that user can reach."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534


@dataclass(frozen=True)
class Account:
    """A user and group without privileges."""

    uid: int
    gid: int


def unprivileged(owner_of: Path) -> Account | None:
    """Return the user to drop to: None unless we are root.

    PostgreSQL refuses to run as root. The project's owner is meant, or else ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    owner = owner_of.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(NOBODY, NOBODY)
    return Account(nobody.pw_uid, nobody.pw_gid)


def can_use(account: Account | None, path: Path) -> bool:
    """Tell whether the user may go through every folder down to ``path``, and read or run it."""
    if account is None:
        return True
    path = path.resolve()
    return all(_may(account, step, need=5 if step == path else 1) for step in (path, *path.parents))


def _may(account: Account, path: Path, need: int) -> bool:
    """Compare the permission bits (read 4, execute or go through 1) that concern the user."""
    stat = path.stat()
    if stat.st_uid == account.uid:
        granted = stat.st_mode >> 6
    elif stat.st_gid == account.gid:
        granted = stat.st_mode >> 3
    else:
        granted = stat.st_mode
    return granted & need == need
