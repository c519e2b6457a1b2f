"""What befalls a running system: parts killed or frozen, feeds wiped, hops broken, by chance."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil
from redis import Redis

from tests.e2e.survival import SERVERS, SERVICES, parts
from tests.faults import proxy
from tests.faults.hops import FAULTS, ProxiedSystem
from tests.processes import until

SECONDS = (2.0, 8.0)  # for how long something lasts
PARTS = (*SERVICES, *SERVERS.values())


class Mishaps:
    """One after the other."""

    def __init__(self, system: ProxiedSystem, chance: random.Random) -> None:
        self._system = system
        self._chance = chance
        self.killed: Counter[str] = Counter()
        self.others: Counter[str] = Counter()

    def befall(self, services_too: bool) -> None:
        """Do something; services are killed only if they may be."""
        some: list[Callable[[], None]] = [self._freeze, self._wipe, self._break]
        victims = PARTS if services_too else tuple(SERVERS.values())
        self._chance.choice([*some, lambda: self._kill(self._chance.choice(victims))])()

    def _kill(self, name: str) -> None:
        self.killed[name] += 1
        victim = self._part(name)
        victim.kill()
        victim.wait(10)

    def _freeze(self) -> None:
        name = self._chance.choice(PARTS)
        self.others[f"{name} frozen"] += 1
        part = self._part(name)
        all_of_it = [part, *part.children(recursive=True)]
        for each in all_of_it:
            with suppress(psutil.NoSuchProcess):
                each.suspend()
        self._last()
        for each in all_of_it:
            with suppress(psutil.NoSuchProcess):
                each.resume()

    def _wipe(self) -> None:
        self.others["feeds wiped"] += 1

        def flush() -> bool:
            with Redis(port=self._system.port("EMBEDDED.VALKEY_PORT")) as valkey:
                return bool(valkey.flushall())

        until(flush)

    def _break(self) -> None:
        hop, fault = self._chance.choice(list(self._system.hops)), self._chance.choice(list(FAULTS))
        self.others[f"{hop}: {fault}"] += 1
        self._system.hops[hop].begin(FAULTS[fault](self._chance))
        self._last()
        self._system.hops[hop].begin(proxy.passing)

    def _last(self) -> None:
        time.sleep(self._chance.uniform(*SECONDS))

    def _part(self, name: str) -> psutil.Process:
        found: psutil.Process = until(lambda: parts(self._system).get(name), 60)
        return found
