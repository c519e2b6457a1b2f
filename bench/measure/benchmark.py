"""What is measured, in which order."""

import sys
import time
from collections.abc import Iterable
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from uuid import uuid4

from bench.count.measure import counts
from bench.load import get_news, trivial
from bench.load.generator import Sample, drive
from bench.load.workload import Operation, Person, Workload
from bench.measure import fan_out, freshness, rpc
from bench.measure.plan import Plan
from bench.measure.recorder import Recorder
from bench.measure.usage import Usage
from bench.report.aims import GET_NEWS, TRIVIAL
from bench.report.figures import percentile
from bench.report.results import Results, Spread
from bench.seed import collection, people
from bench.seed.database import executor
from bench.system import OwnSystem
from embedded.ports import LOOPBACK
from embedded.settings import Settings
from embedded.sign_in import access_token

WARM_UP = 5  # a fifth of the time
ANYTHING = b"GET / HTTP/1.1\r\n\r\n"
ANY_SIZE = 0  # of what does not depend on the size of a collection


class Benchmark:
    """One run: the results are filled as it goes on."""

    def __init__(self, root: Path, plan: Plan) -> None:
        self.root = root
        self.plan = plan
        self.results = Results(list(plan.sizes))

    def measure_own(self, system: OwnSystem) -> None:
        """Measure a system that is not started yet: all there is to measure."""
        results = self.results
        _say("starting the system")
        results.start_seconds.append(system.start())
        for _ in range(self.plan.starts - 1):
            system.stop()
            results.start_seconds.append(system.start())
        assert system.runner is not None
        usage = Usage(system.runner.pid)
        results.idle_megabytes = usage.megabytes()
        workloads = self._workloads(own=True)
        self._measure(workloads, usage)
        results.loaded_megabytes = usage.megabytes()
        self._measure_idle(usage)
        _say(f"a link on its way to {self.plan.followers:,} followers")
        settings = Settings(self.root)
        results.fan_out = fan_out.measure(settings, self._person, self.plan.followers)
        _say("counting round trips")
        results.counts = counts(self.root)
        _say("calls over the bus")
        results.rpc = rpc.measure(self.root)

    def measure_running(self) -> None:
        """Measure a running system, of which nothing is known but its address."""
        self._measure(self._workloads(own=False), None)

    def _measure(self, workloads: dict[int, Workload], usage: Usage | None) -> None:
        recorder = Recorder(usage)
        with trivial.running() as address:
            operation = Operation(TRIVIAL, address, repeat(ANYTHING))
            self._run_all(recorder, ANY_SIZE, [operation], workloads)
        first = next(iter(workloads.values()))
        self._run_all(recorder, ANY_SIZE, [first.news()], workloads)
        if usage:
            self._get_news(recorder, first.reader.name)
        listings = {size: list(workload.listings()) for size, workload in workloads.items()}
        changes = {size: list(workload.changes()) for size, workload in workloads.items()}
        for turn in range(self.plan.rounds):
            for size in workloads:
                _say(f"round {turn + 1} of {self.plan.rounds}, {size:,} links")
                self._run(recorder, size, listings[size])
                self._run(recorder, size, changes[size], workloads[size])
        self.results.figures, self.results.cpu_ms = recorder.figures(), recorder.cpu_ms()
        _say(f"{self.plan.fresh_links} links on their way into the news")
        found = list(islice(freshness.seconds(first), self.plan.fresh_links))
        self.results.fresh = Spread(
            1000 * percentile(found, 50), 1000 * percentile(found, 99), len(found)
        )

    def _run_all(
        self,
        recorder: Recorder,
        size: int,
        operations: list[Operation],
        workloads: dict[int, Workload],
    ) -> None:
        _say(", ".join(operation.name for operation in operations))
        for _ in range(self.plan.rounds):
            self._run(recorder, size, operations)

    def _run(
        self,
        recorder: Recorder,
        size: int,
        operations: Iterable[Operation],
        changed: Workload | None = None,
    ) -> None:
        """Run operations over each number of connections; wait for the events of changes."""
        for operation in operations:
            drive(operation.address, operation.requests, 1, self.plan.seconds / WARM_UP)
            for connections in self.plan.connections:
                operation.before()
                work = partial(
                    drive, operation.address, operation.requests, connections, self.plan.seconds
                )
                if changed is None:
                    recorder.run(operation.name, size, connections, work)
                else:
                    settle = partial(freshness.settle, changed)
                    settle()
                    recorder.run(operation.name, size, connections, work, settle)

    def _get_news(self, recorder: Recorder, name: str) -> None:
        _say(GET_NEWS)
        target = f"{LOOPBACK}:{Settings(self.root).port('GRPC_BIND_PORT')}"
        for _ in range(self.plan.rounds):
            for connections in self.plan.connections:

                def work(connections: int = connections) -> Sample:
                    return get_news.drive(target, [name], connections, self.plan.seconds)

                recorder.run(GET_NEWS, ANY_SIZE, connections, work)

    def _workloads(self, own: bool) -> dict[int, Workload]:
        """Let there be writers with so many links each, among many people."""
        url = str(Settings(self.root).get("PUBLIC_URL"))
        reader = self._person("reader")
        workloads = {}
        for size in self.plan.sizes:
            _say(f"loading {size:,} links")
            writer = self._person(f"writer-{size}")
            workload = Workload(url, writer, reader, self.plan.stock)
            workload.prepare(min(size, self.plan.written) if own else size)
            freshness.settle(workload)
            workloads[size] = workload
        if own:
            self._seed(workloads)
        return workloads

    def _seed(self, workloads: dict[int, Workload]) -> None:
        settings = Settings(self.root)
        links = executor(settings, "link_svc")
        for size, workload in workloads.items():
            collection.multiply(links, workload.writer.name, size // self.plan.written - 1)
        collection.tidy(links)
        names = people.names(self.plan.people)
        people.add(executor(settings, "user_svc"), names)
        # The writers have as many followers each: a tenth of the people.
        graph = people.followers(names)
        graph |= {each.writer.name: graph[names[9]] for each in workloads.values()}
        people.follow(executor(settings, "social_graph_svc"), graph)
        target = f"{LOOPBACK}:{settings.port('GRPC_BIND_PORT')}"
        _say(f"feeds of {len(names):,} people")
        get_news.drive(target, names, 8, 0)

    def _person(self, role: str) -> Person:
        """Let somebody in whom nobody has seen before."""
        name = f"bench-{role}-{uuid4().hex[:8]}"
        return Person(name, access_token(Settings(self.root), name))

    def _measure_idle(self, usage: Usage) -> None:
        _say(f"doing nothing for {self.plan.idle_seconds:g} s")
        before, began = usage.cpu_seconds(), time.perf_counter()
        time.sleep(self.plan.idle_seconds)
        seconds = time.perf_counter() - began
        self.results.idle_percent = {
            process: 100 * (used - before[process]) / seconds
            for process, used in usage.cpu_seconds().items()
        }


def _say(what: str) -> None:
    print(f"{time.strftime('%X')} {what} ...", file=sys.stderr, flush=True)
