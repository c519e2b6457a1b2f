"""Two hundred call a part that is frozen: whoever asks for anything else is served."""

from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from threading import Event

import requests

from tests.e2e.api import Api, person
from tests.e2e.system import System
from tests.e2e.test_away import HEAL_SECONDS, Newcomer, frozen
from tests.processes import until

CROWD = 200
OTHERS = ("/v1.0/followers", "/v1.0/following", "/v1.0/news")
LINKS = "/v1.0/links"
PAUSE_SECONDS = 0.1
AGAIN_SECONDS = 2.0  # more often, the crowd alone would be all that a busy machine can do


def ask(api: Api, path: str) -> requests.Response:
    return requests.get(api.url + path, headers=api.headers, timeout=30)


def ask_on(api: Api, done: Event, codes: set[str]) -> None:
    """Ask for links again and again; keep the codes of the refusals."""
    while not done.is_set():
        codes.add(ask(api, "/v1.0/links").json()["code"])
        done.wait(AGAIN_SECONDS)


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


def test_crowd_that_comes_all_at_once_leaves_the_others_alone(
    system: System, newcomer: Newcomer
) -> None:
    alice, nobody = newcomer("alice"), Api(system.url)
    add = partial(alice.call, "POST", LINKS)
    with ThreadPoolExecutor(CROWD) as pool:
        with frozen(system, "link_svc"):
            adds = [
                pool.submit(add, json={"url": f"https://example.org/{number}"})
                for number in range(CROWD)
            ]
            meanwhile = []
            while wait(adds, PAUSE_SECONDS).not_done:
                meanwhile.append(alice.call("GET", "/v1.0/following").status_code)
                meanwhile.append(nobody.call("GET", "/health/live").status_code)
        answers = [each.result() for each in adds]
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
    assert meanwhile
    assert set(meanwhile) == {200}
    # What they were told was not done is not done later, though it has reached the part.
    until(lambda: alice.call("GET", LINKS).status_code == 200, HEAL_SECONDS)
    assert alice.links()["links"] == []
