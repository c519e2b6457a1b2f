"""Two replicas of everything are restarted one after the other: no request fails (B14).

FAULTS_ROLLS says how often.
"""

import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
import requests

from tests.e2e.api import Api, person
from tests.e2e.survival import SERVICES
from tests.faults.replicas import Replicas

CLIENTS = 4
PAUSE_SECONDS = 0.04  # of each, so that 50 requests a second and more are made
EXIT_SECONDS = 10.0


@dataclass
class Load:
    """Clients that keep their connections, and repeat nothing."""

    people: list[Api]
    answers: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def ask(self, api: Api) -> None:
        """Ask for one thing after the other until told to stop."""
        number = 0
        with requests.Session() as session:
            session.trust_env = False
            session.headers.update(api.headers)
            while not self._stop.wait(PAUSE_SECONDS):
                number += 1
                method, path, body = (
                    ("POST", "/v1.0/links", {"url": f"https://example.org/{number}"}),
                    ("GET", "/v1.0/links", None),
                    ("GET", "/v1.0/news", None),
                    ("GET", "/v1.0/followers", None),
                )[number % 4]
                began = time.monotonic()
                try:
                    answer = session.request(method, api.url + path, json=body, timeout=10)
                except requests.RequestException as error:
                    self.note("failed", f"{method} {path}: {error!r}", began)
                else:
                    why = (
                        "" if answer.ok else f"{method} {path}: {answer.status_code} {answer.text}"
                    )
                    self.note("ok" if answer.ok else "failed", why, began)

    def note(self, outcome: str, why: str, began: float) -> None:
        self.answers[outcome] += 1
        if why:
            self.failed.append(
                f"{why} after {time.monotonic() - began:.2f} s, at {time.time():.3f}"
            )

    def __enter__(self) -> "Load":
        self._threads = [threading.Thread(target=self.ask, args=(api,)) for api in self.people]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def roll(replicas: Replicas, services: tuple[str, ...], times: int) -> Load:
    """Restart services, each replica in turn, while clients ask; none of them may notice."""
    suffix = time.monotonic_ns()
    people = [person(replicas.nodes[0].url, f"rob{n}-{suffix}") for n in range(CLIENTS)]
    for one, other in zip(people, people[1:] + people[:1], strict=True):
        one.follow(other.name)
        one.url = replicas.url
    longest: dict[str, float] = {}
    with Load(people) as load:
        for _ in range(times):
            for service in services:
                for node in replicas.nodes:
                    seconds = replicas.restart(node, service)
                    longest[service] = max(seconds, longest.get(service, 0.0))
    print(f"answers: {dict(load.answers)}, longest ends: {longest}")
    assert load.failed == []
    assert max(longest.values()) < EXIT_SECONDS
    return load


def test_no_request_fails_while_gateways_are_restarted(replicas: Replicas) -> None:
    load = roll(replicas, ("gateway",), times=1)
    assert load.answers["ok"] > 50


@pytest.mark.long
def test_no_request_fails_over_ten_rolling_restarts(replicas: Replicas) -> None:
    load = roll(replicas, SERVICES, times=int(os.environ.get("FAULTS_ROLLS", "10")))
    assert load.answers["ok"] >= 1000
