"""Calls of GetNews over connections that stay open, made by a process of their own.

``python -m bench.load.get_news TARGET CONNECTIONS SECONDS`` reads names from standard input, one
a line, asks for the news of each in turn until the time is over (0: of each once), and prints the
seconds of each answer as JSON. grpcio shall not share a process with eventlet.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import grpc

from bench.load.generator import Sample
from protos.news_pb2 import GetNewsRequest
from protos.news_pb2_grpc import NewsStub

ROOT = Path(__file__).resolve().parents[2]
CALL_SECONDS = 10.0


def drive(target: str, names: Sequence[str], connections: int, seconds: float) -> Sample:
    """Run the calls in a process; return what it has seen."""
    command = [sys.executable, "-m", "bench.load.get_news", target, str(connections), str(seconds)]
    done = subprocess.run(
        command, input="\n".join(names), cwd=ROOT, capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    return Sample(**seen | {"errors": Counter(seen["errors"])})


class _Calls:
    """Each of some threads calls, one by one, over a connection of its own."""

    def __init__(self, target: str, names: Iterator[str], connections: int) -> None:
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self._target = target
        self._names = names
        self._lock = threading.Lock()
        self._connected = threading.Barrier(connections + 1)
        self._threads = [threading.Thread(target=self._run) for _ in range(connections)]
        self._end = float("inf")

    def run(self, seconds: float) -> float:
        """Call for so long, when all are connected; return how long it took."""
        for thread in self._threads:
            thread.start()
        self._connected.wait()
        began = time.perf_counter()
        self._end = began + seconds
        for thread in self._threads:
            thread.join()
        return time.perf_counter() - began

    def _run(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._target, options=options) as channel:
            news = NewsStub(channel)  # type: ignore[no-untyped-call]
            try:
                grpc.channel_ready_future(channel).result(CALL_SECONDS)
            finally:
                self._connected.wait()
            while time.perf_counter() < self._end and (name := self._next()):
                began = time.perf_counter()
                try:
                    news.GetNews(GetNewsRequest(username=name), timeout=CALL_SECONDS)
                except grpc.RpcError as error:
                    self.errors[error.code().name] += 1
                else:
                    self.latencies.append(time.perf_counter() - began)

    def _next(self) -> str | None:
        with self._lock:
            return next(self._names, None)


def main(target: str, connections: str, seconds: str) -> None:
    """Call, and print."""
    names = sys.stdin.read().split()
    endless = bool(float(seconds))
    calls = _Calls(target, cycle(names) if endless else iter(names), int(connections))
    busy = time.process_time()
    took = calls.run(float(seconds) if endless else float("inf"))
    seen = {
        "seconds": took,
        "cpu_seconds": time.process_time() - busy,
        "latencies": calls.latencies,
        "errors": calls.errors,
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
