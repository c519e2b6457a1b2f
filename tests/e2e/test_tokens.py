"""Tokens: what each is good for, and for how long after it was revoked at another gateway."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from nameko.cli.utils.config import load_config

from embedded import ports
from gateway import api as gateway_api
from gateway.service import GatewayService
from tests.e2e.api import Api, assert_refused
from tests.e2e.system import RATE_LIMITS, ROOT, System
from tests.processes import ServiceProcess, until

ROUTES = [route for route in gateway_api.routes(GatewayService) if route.scope]
SCOPES = ("read", "write")
RANDOM = "dlk_" + "0" * 43 + "000000"
OLDER = "dlk_" + "0" * 43


def address(route: gateway_api.Route) -> str:
    """Return an address that leads to a route."""
    return re.sub(r"\{\w+\}|<\w+>", "bob", route.path)


def token(api: Api, **wish: object) -> Api:
    """Make a personal token; return the API as its holder sees it."""
    answer = api.call("POST", "/v1.0/tokens", json={"name": "a test", **wish})
    assert answer.status_code == 200, answer.text
    return Api(api.url, answer.json()["access_token"], api.name)


@pytest.fixture(scope="module")
def alice(newcomer: Callable[[str], Api]) -> Api:
    return newcomer("alice")


@pytest.fixture(scope="module")
def programs(alice: Api) -> dict[str, Api]:
    """Return one token of alice's for each set of scopes."""
    return {scope: token(alice, scopes=scope) for scope in (*SCOPES, "read,write")}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method}-{route.path}")
def test_every_route_refuses_what_is_no_good_token(
    system: System, alice: Api, route: gateway_api.Route
) -> None:
    good = alice.headers["Access-Token"]
    wrong = ["", "x", good[:-1], good + "a", good.swapcase(), RANDOM, OLDER, "a" * 500, "b" * 6000]
    for each in wrong:
        stranger = Api(system.url, each)
        assert_refused(stranger.call(route.method, address(route)), 401, "access_denied")
    bare = requests.request(route.method, system.url + address(route), timeout=10)
    assert (bare.status_code, bare.headers["WWW-Authenticate"]) == (401, "Bearer")
    where = f"{system.url}{address(route)}?access_token={good}&Access-Token={good}&token={good}"
    query = requests.request(route.method, where, timeout=10)
    assert_refused(query, 401, "access_denied")
    told = Api(system.url, RANDOM).call(route.method, address(route)).headers["WWW-Authenticate"]
    assert told == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method}-{route.path}")
def test_every_route_refuses_a_token_of_another_scope(
    programs: dict[str, Api], route: gateway_api.Route
) -> None:
    for scopes, program in programs.items():
        if route.scope != "any" and route.scope not in scopes.split(","):
            answer = program.call(route.method, address(route))
            assert_refused(answer, 403, f"{route.scope}_scope_needed")
            told = f'Bearer error="insufficient_scope", scope="{route.scope}"'
            assert answer.headers["WWW-Authenticate"] == told


def test_a_token_does_what_it_was_made_for(newcomer: Callable[[str], Api]) -> None:
    bob = newcomer("bob")
    reader, writer = (token(bob, scopes=[scope], expires_in_days=1) for scope in SCOPES)
    writer.add_link("https://bob.example/")
    assert reader.urls() == ["https://bob.example/"]
    assert_refused(writer.call("GET", "/v1.0/links"), 403, "read_scope_needed")
    assert_refused(reader.call("POST", "/v1.0/links"), 403, "write_scope_needed")
    for program in (reader, writer):
        assert_refused(program.call("POST", "/v1.0/tokens"), 403, "account_scope_needed")
        leave = program.call("DELETE", "/v1.0/me", json={"confirm": bob.name})
        assert_refused(leave, 403, "account_scope_needed")
    me = reader.call("GET", "/v1.0/me").json()
    assert me["user"]["Username"] == bob.name
    assert (me["token"]["Kind"], me["token"]["Scopes"]) == ("personal", ["read"])


def test_tokens_are_listed_and_ended(newcomer: Callable[[str], Api]) -> None:
    bob, eve = newcomer("bob"), newcomer("eve")
    program = token(bob, name="my script")
    listed = bob.call("GET", "/v1.0/tokens").json()["tokens"]
    assert [(each["Name"], each["Kind"], each["Current"]) for each in listed] == [
        ("my script", "personal", False),
        ("", "session", True),
    ]
    secrets = [each.headers["Access-Token"] for each in (bob, program)]
    assert not [secret for secret in secrets if secret in str(listed)]
    (personal, session) = (each["Id"] for each in listed)
    for wrong in (personal, session):
        refused = eve.call("DELETE", "/v1.0/tokens", json={"id": wrong})
        assert_refused(refused, 404, "no_such_token", "id")
    assert_refused(bob.call("DELETE", "/v1.0/tokens"), 400, "missing_id", "id")
    assert bob.call("DELETE", "/v1.0/tokens", json={"id": personal}).ok
    assert_refused(program.call("GET", "/v1.0/links"), 401, "access_denied")
    assert bob.links()["links"] == []
    assert bob.call("DELETE", "/v1.0/tokens", json={"kind": "session"}).ok
    assert_refused(bob.call("GET", "/v1.0/links"), 401, "access_denied")


def test_a_program_may_give_its_token_up(newcomer: Callable[[str], Api]) -> None:
    bob = newcomer("bob")
    program = token(bob, scopes="write")
    assert program.call("POST", "/logout").text == "OK"
    assert_refused(program.call("POST", "/v1.0/links"), 401, "access_denied")
    assert bob.links()["links"] == []


# ---- two gateways that keep what they were told of tokens for a second, as is the default

BOUND_SECONDS = 1.0


@pytest.fixture(scope="module")
def gateways(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Return the addresses of two more gateways of the same system."""
    settings = load_config((ROOT / "config.yaml").read_text())
    nats_url = f"nats://127.0.0.1:{system.port('EMBEDDED.NATS_PORT')}"
    processes, urls = [], []
    for number in range(2):
        port = ports.free_port()
        own = {
            **dict.fromkeys(RATE_LIMITS, "off"),
            "AMQP_URI": nats_url,
            "NATS_URL": nats_url,
            "RATE_LIMIT_REDIS_URL": f"redis://127.0.0.1:{system.port('EMBEDDED.VALKEY_PORT')}/0",
            "TOKEN_CACHE_SECONDS": BOUND_SECONDS,
            "HTTP_PORTS": {"gateway": port},
            "METRICS_PORTS": {},
            "PUBLIC_URL": f"http://localhost:{port}",
            "DEV_IDENTITY_PROVIDER_PORT": ports.free_port(),
            "NEWS_GRPC_TARGET": f"http://127.0.0.1:{system.port('GRPC_BIND_PORT')}",
        }
        folder: Path = tmp_path_factory.mktemp(f"gateway{number}")
        process = ServiceProcess("gateway.service", config=settings | own, folder=folder)
        processes.append(process.start())
        urls.append(f"http://127.0.0.1:{port}")
    for url in urls:
        until(lambda url=url: is_ready(url), 30)
    yield urls
    for process in processes:
        process.stop()


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/ready", timeout=2).ok
    except requests.ConnectionError:
        return False


def test_a_revocation_reaches_every_gateway_within_a_second(
    gateways: list[str], newcomer: Callable[[str], Api]
) -> None:
    here, there = gateways
    bob = newcomer("bob")
    taken = []
    for _ in range(5):
        program = token(bob)
        secret = program.headers["Access-Token"]
        made = bob.call("GET", "/v1.0/tokens").json()["tokens"][0]["Id"]
        with hammering(Api(there, secret)) as hammer:
            until(lambda hammer=hammer: hammer.good)  # the other gateway keeps that it is good
            revoking = Api(here, bob.headers["Access-Token"])
            assert revoking.call("DELETE", "/v1.0/tokens", json={"id": made}).ok
            revoked_at = time.monotonic()
            # Here it is good for nothing from this moment on.
            assert Api(here, secret).call("GET", "/v1.0/links").status_code == 401
            until(lambda hammer=hammer: hammer.refused)
        taken.append(hammer.last_good - revoked_at)
    assert max(taken) <= BOUND_SECONDS
    print("seconds until another gateway refused:", [round(each, 2) for each in taken])


class Hammer:
    """Asks again and again; knows when the last request began that was let in."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.good = self.refused = 0
        self.last_good = 0.0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            began = time.monotonic()
            status = self.api.call("GET", "/v1.0/links").status_code
            if status == 200:
                self.good += 1
                self.last_good = began
            elif status == 401:
                self.refused += 1


@contextmanager
def hammering(api: Api) -> Iterator[Hammer]:
    hammer = Hammer(api)
    thread = threading.Thread(target=hammer.run)
    thread.start()
    try:
        yield hammer
    finally:
        hammer.ended.set()
        thread.join()
