"""The gateway's door as strangers find it: limits (D15), proxies, websites, headers (F14)."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from embedded.valkey import ValkeyServer
from tests.integration.test_gateway_process import Gateway
from tests.processes import until

LIMIT = 64
SETTINGS = {
    "RATE_LIMIT_ADDRESS": f"{LIMIT}/day",
    "RATE_LIMIT_TOKEN": "4/day",
    "RATE_LIMIT_SIGN_IN": "4/day",
    "RATE_LIMIT_FAILURES": "3/day",
}
addresses = (f"2001:db8:0:{number:x}::1" for number in itertools.count(1))


def running(folder: Path, nats_url: str, **settings: Any) -> Iterator[Gateway]:
    gateway = Gateway(folder, nats_url, **SETTINGS | settings)
    yield gateway.started()
    gateway.process.stop()


@pytest.fixture(scope="module")
def store(valkey_server: ValkeyServer) -> str:
    redis.Redis.from_url(valkey_server.url).flushdb()
    return valkey_server.url


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, nats_url: str, store: str
) -> Iterator[Gateway]:
    """Return a gateway behind a proxy, so that each test comes from an address of its own."""
    yield from running(
        tmp_path_factory.mktemp("door"),
        nats_url,
        RATE_LIMIT_REDIS_URL=store,
        TRUSTED_PROXIES="127.0.0.0/8, ::1",
        CORS_ORIGINS="https://app.example,http://localhost:8000",
    )


@pytest.fixture(scope="module")
def other_gateway(
    tmp_path_factory: pytest.TempPathFactory, nats_url: str, store: str
) -> Iterator[Gateway]:
    """Return another one, which trusts no proxy, all websites, and TLS."""
    yield from running(
        tmp_path_factory.mktemp("door"),
        nats_url,
        RATE_LIMIT_REDIS_URL=store,
        PUBLIC_URL="https://links.example",
        CORS_ORIGINS="*",
    )


@pytest.fixture
def here() -> dict[str, str]:
    """Return what the proxy says of an address that no other test comes from."""
    return {"X-Forwarded-For": next(addresses)}


def statuses(gateway: Gateway, times: int, **options: Any) -> list[int]:
    return [gateway.get("/", **options).status_code for _ in range(times)]


def policy(answer: requests.Response) -> str:
    match = re.fullmatch(r'"([a-z-]+)";r=\d+;t=\d+', answer.headers["RateLimit"])
    assert match
    return match[1]


def metrics(gateway: Gateway) -> str:
    return requests.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics", timeout=10).text


def test_each_address_has_its_limit(gateway: Gateway, here: dict[str, str]) -> None:
    first = gateway.get("/", headers=here)
    assert (first.status_code, policy(first)) == (200, "address")
    assert first.headers["RateLimit-Policy"] == f'"address";q={LIMIT};w=86400'
    assert first.headers["RateLimit"].startswith(f'"address";r={LIMIT - 1};t=')
    assert statuses(gateway, LIMIT, headers=here) == [200] * (LIMIT - 1) + [429]
    refusal = gateway.get("/v1.0/links", headers=here)
    assert refusal.status_code == 429
    assert int(refusal.headers["Retry-After"]) > 0
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert refusal.json()["code"] == "too_many_requests"
    assert refusal.headers["RateLimit"].startswith('"address";r=0;t=')
    assert gateway.get("/none", headers=here).status_code == 429
    assert gateway.get("/health/live", headers=here).status_code == 200
    # Neighbours are measured by themselves, and what a client makes up itself helps it not.
    assert statuses(gateway, 1, headers={"X-Forwarded-For": next(addresses)}) == [200]
    made_up = {"X-Forwarded-For": f"198.51.100.1, {here['X-Forwarded-For']}"}
    assert statuses(gateway, 1, headers=made_up) == [429]
    assert 'rate_limited_total{limit="address",service="gateway"} 4.0' in metrics(gateway)


def test_nobody_says_who_they_are_without_a_proxy(other_gateway: Gateway) -> None:
    found = [
        other_gateway.get("/", headers={"X-Forwarded-For": next(addresses)}).headers["RateLimit"]
        for _ in range(3)
    ]
    left = [int(text.partition("r=")[2].partition(";")[0]) for text in found]
    assert left == [left[0], left[0] - 1, left[0] - 2]


def test_each_token_has_its_limit_over_all_gateways(
    gateway: Gateway, other_gateway: Gateway, here: dict[str, str]
) -> None:
    assert statuses(gateway, 2, token="dlk_one", headers=here) == [200] * 2
    assert statuses(other_gateway, 3, token="dlk_one") == [200] * 2 + [429]
    bearer = {"Authorization": "Bearer dlk_one"}
    assert statuses(gateway, 1, headers=here | bearer) == [429]
    assert statuses(gateway, 5, token="dlk_two", headers=here) == [200] * 4 + [429]
    assert statuses(gateway, 5, headers=here) == [200] * 5


def test_sign_ins_have_a_limit_of_their_own(gateway: Gateway, here: dict[str, str]) -> None:
    def sign_in(path: str) -> requests.Response:
        return gateway.get(path, headers=here, allow_redirects=False)

    paths = ("/login", "/login/", "/login/authorized?code=a&state=b", "/login")
    assert 429 not in [sign_in(path).status_code for path in paths]
    for path in paths:
        assert (sign_in(path).status_code, policy(sign_in(path))) == (429, "sign-in")
    assert statuses(gateway, 3, headers=here) == [200] * 3


@pytest.mark.usefixtures("peers")
def test_guessing_tokens_ends_soon_and_shuts_out_nobody_else(
    gateway: Gateway, here: dict[str, str]
) -> None:
    def links(token: str) -> int:
        return gateway.get("/v1.0/links", token=token, headers=here).status_code

    def sign_in() -> dict[str, Any] | None:
        answer = gateway.sign_in("alice", **{"X-Forwarded-For": next(addresses)})
        return answer.json() if answer.ok else None

    good = until(sign_in)["access_token"]
    assert links(good) == 200
    assert [links(f"dlk_guess_{number}") for number in range(6)] == [401] * 4 + [429] * 2
    assert links("not a token") == 429
    assert links(good) == 200
    assert gateway.get("/v1.0/links", headers=here).status_code == 401  # nobody's guess


def test_d15_limits_hold_while_their_store_is_away(
    gateway: Gateway, valkey_server: ValkeyServer, here: dict[str, str]
) -> None:
    valkey_server.kill()
    try:
        found = statuses(gateway, LIMIT + 6, headers=here)
        assert 'rate_limit_store_up{service="gateway"} 0.0' in metrics(gateway)
    finally:
        valkey_server.start()
    assert found == [200] * LIMIT + [429] * 6
    until(lambda: counted_together(gateway))
    said = gateway.process.log.read_text()
    assert said.count("each process counts requests for itself") == 1


def counted_together(gateway: Gateway) -> bool:
    """Tell whether the store counts again, by somebody who is not known to be at the end."""
    assert statuses(gateway, 1, headers={"X-Forwarded-For": next(addresses)}) == [200]
    return 'rate_limit_store_up{service="gateway"} 1.0' in metrics(gateway)


PREFLIGHT = {
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "access-token",
}


def test_f14_websites_are_shut_out_unless_they_are_named(
    gateway: Gateway, here: dict[str, str]
) -> None:
    links = f"{gateway.url}/v1.0/links"
    allowed = here | {"Origin": "https://app.example"}

    preflight = requests.options(links, headers=allowed | PREFLIGHT, timeout=10)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"].split(", ")
    assert "Access-Token" in preflight.headers["Access-Control-Allow-Headers"].split(", ")
    assert preflight.headers["Vary"] == "Origin"
    answer = requests.get(links, headers=allowed, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"].split(", ")

    for origin in ("https://evil.example", "null", "https://app.example.evil.example"):
        headers = here | {"Origin": origin}
        for found in (
            requests.options(links, headers=headers | PREFLIGHT, timeout=10),
            requests.get(links, headers=headers, timeout=10),
        ):
            assert "Origin" in found.headers["Vary"]
            assert rights(found) == []


def rights(answer: requests.Response) -> list[str]:
    """Return what an answer lets other websites do."""
    return [name for name in answer.headers if name.startswith("Access-Control")]


def test_any_website_may_be_let_in_but_never_with_credentials(other_gateway: Gateway) -> None:
    found = other_gateway.get("/", headers={"Origin": "https://anybody.example"})
    assert found.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in found.headers


def test_tls_is_demanded_where_people_come_by_tls(gateway: Gateway, other_gateway: Gateway) -> None:
    header = "Strict-Transport-Security"
    assert other_gateway.get("/").headers[header] == "max-age=31536000"
    assert header not in gateway.get("/", headers={"X-Forwarded-For": next(addresses)}).headers
