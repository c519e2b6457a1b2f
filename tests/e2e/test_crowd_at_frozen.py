"""Two hundred at once ask for what a frozen part has: whoever asks for anything else is served."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import requests

from tests.e2e.api import Api, person
from tests.e2e.system import System
from tests.e2e.test_away import frozen
from tests.processes import until

CROWD = 200
OTHERS = ("/v1.0/followers", "/v1.0/following", "/v1.0/news")


def ask(api: Api, path: str) -> requests.Response:
    return requests.get(api.url + path, headers=api.headers, timeout=30)


def ask_on(api: Api, done: Event, codes: set[str]) -> None:
    """Ask for links again and again; keep the codes of the refusals."""
    while not done.is_set():
        codes.add(ask(api, "/v1.0/links").json()["code"])
        done.wait(0.5)


def test_crowd_at_a_frozen_part_leaves_workers_to_the_others(own_system: System) -> None:
    """B6: once somebody has waited in vain for a place, nobody else waits."""
    own_system.start()
    alice, bob = (person(own_system.url, name) for name in ("alice", "bob"))
    done, codes = Event(), set[str]()
    with frozen(own_system, "link_svc"), ThreadPoolExecutor(CROWD) as pool:
        try:
            for _ in range(CROWD):
                pool.submit(ask_on, alice, done, codes)
            until(lambda: {"peer_busy", "peer_timed_out"} <= codes)
            answers = [ask(bob, path).status_code for _ in range(15) for path in OTHERS]
        finally:
            done.set()
    assert answers == [200] * len(answers)
