"""A service that measures its calls to the echo service, in another process, and prints them.

A caller that is itself a service, since that is where RPC is used: its client, its green threads
and its reply queue are those of every other service.
"""

import json
import time

import eventlet
from nameko.exceptions import UnknownService
from nameko.rpc import ServiceRpc
from nameko.timer import timer

from bench.measure import echo
from bench.report.figures import percentile

PREFIX = "measured "
WARM_UP = 100
ONE_BY_ONE = 500
TOGETHER = 2000
IN_FLIGHT = 32
ONCE_SECONDS = 3600
WAIT_SECONDS = 20.0


class CallerService:
    """Call, one by one and many together."""

    name = "bench_caller"
    peer = ServiceRpc(echo.EchoService.name)

    @timer(interval=ONCE_SECONDS, eager=True)
    def measure(self) -> None:
        """Print what a call costs."""
        self._wait()
        for _ in range(WARM_UP):
            self._call()
        busy = time.process_time()
        alone = [self._call() for _ in range(ONE_BY_ONE)]
        busy = time.process_time() - busy
        began = time.perf_counter()
        pool = eventlet.GreenPool(IN_FLIGHT)
        for _ in range(TOGETHER):
            pool.spawn_n(self._call)
        pool.waitall()
        figures = {
            "p50": 1000 * percentile(alone, 50),
            "p99": 1000 * percentile(alone, 99),
            "calls": ONE_BY_ONE,
            "caller_cpu_ms": 1000 * busy / ONE_BY_ONE,
            "rate": TOGETHER / (time.perf_counter() - began),
            "in_flight": IN_FLIGHT,
        }
        print(PREFIX + json.dumps(figures), flush=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                self._call()
            except UnknownService:
                eventlet.sleep(0.05)
            else:
                return

    def _call(self) -> float:
        began = time.perf_counter()
        self.peer.echo("as short as an answer may be")
        return time.perf_counter() - began
