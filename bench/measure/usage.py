"""What each process of the system uses."""

from contextlib import suppress
from pathlib import Path

import psutil

MEGABYTE = 1_000_000
RUNNER = "runner"
MIGRATIONS = "embedded.upgrade"


class Usage:
    """The processes that a runner has started, by the name of their service or server."""

    def __init__(self, runner: int) -> None:
        self._trees = {RUNNER: [psutil.Process(runner)]}
        for child in psutil.Process(runner).children():
            with suppress(psutil.NoSuchProcess, IndexError):  # migrations, just ended
                if (name := _name(child.cmdline())) != MIGRATIONS:
                    self._trees[name] = [child]

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU time that each has used so far, with what it has started."""
        return {name: sum(map(_cpu, _tree(name, *tree))) for name, tree in self._trees.items()}

    def megabytes(self) -> dict[str, float]:
        """Return the memory of each, in which what several share counts in parts (PSS)."""
        return {
            name: sum(map(_memory, _tree(name, *tree))) / MEGABYTE
            for name, tree in self._trees.items()
        }


def _tree(name: str, root: psutil.Process) -> list[psutil.Process]:
    return [root] if name == RUNNER else [root, *root.children(recursive=True)]


def _name(command: list[str]) -> str:
    """``… nameko run … link_svc.service`` → link_svc; ``…/bin/postgres -D …`` → postgres."""
    last = command[-1]
    if last.endswith(".service"):
        return last.removesuffix(".service")
    if last == MIGRATIONS:
        return last
    # Valkey puts its whole title into the first argument.
    return Path(command[0]).name.split()[0]


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _memory(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return float(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0.0
