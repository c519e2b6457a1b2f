"""Memory and open files of the services, from time to time, and whether they grow."""

import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

import psutil

from tests.e2e.survival import SERVICES, parts
from tests.e2e.system import System

_MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """What a process used at a time."""

    at: float
    pid: int
    memory: float  # resident, MiB
    files: int


class Vitals:
    """Samples of each service."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.samples: dict[str, list[Sample]] = defaultdict(list)

    def take(self) -> None:
        """Look at every service that lives."""
        for name, process in parts(self._system).items():
            if name not in SERVICES:
                continue
            try:
                memory, files = process.memory_info().rss / _MIB, process.num_fds()
            except psutil.NoSuchProcess:
                continue
            self.samples[name].append(Sample(time.monotonic(), process.pid, memory, files))

    def growth(self, name: str, since: float) -> tuple[float, float, int, int]:
        """Return memory and open files of a service then, and at the end, each as a median.

        Of the process that lives now, and not before a moment.
        """
        pid = self.samples[name][-1].pid
        own = [each for each in self.samples[name] if each.pid == pid and each.at >= since]
        some = max(1, len(own) // 5)
        first, last = own[:some], own[-some:]
        return (
            median(each.memory for each in first),
            median(each.memory for each in last),
            max(each.files for each in first),
            min(each.files for each in last),
        )
