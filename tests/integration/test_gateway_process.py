"""The gateway as a process: sign-in with a browser's means, and peers that are not there."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from nameko.cli.utils.config import load_config

from embedded import ports
from embedded.nats import NatsServer
from tests.integration.identity_provider import openid_provider
from tests.processes import ROOT, ServiceProcess, until

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

RATE_LIMITS = tuple(f"RATE_LIMIT_{name}" for name in ("TOKEN", "ADDRESS", "SIGN_IN", "FAILURES"))


class Gateway:
    """A gateway on free ports, and the address of its development identity provider."""

    def __init__(self, folder: Path, nats_url: str, **settings: Any) -> None:
        self.port, provider_port = ports.free_port(), ports.free_port()
        self.metrics_port = ports.free_port()
        self.url = f"http://localhost:{self.port}"
        config = load_config((ROOT / "config.yaml").read_text()) | {
            "AMQP_URI": nats_url,
            "NATS_URL": nats_url,
            "HTTP_PORTS": {"gateway": self.port},
            "METRICS_PORTS": {"gateway": self.metrics_port},
            "DEV_IDENTITY_PROVIDER_PORT": provider_port,
            "PUBLIC_URL": self.url,
            "NEWS_GRPC_TARGET": f"http://127.0.0.1:{ports.free_port()}",
            "RPC_TIMEOUT_SECONDS": 1,
            "OAUTH_TIMEOUT_SECONDS": 1,
            "SIGN_IN_TIMEOUT_SECONDS": 3,
            **dict.fromkeys(RATE_LIMITS, "off"),
        }
        self.process = ServiceProcess("gateway.service", config=config | settings, folder=folder)

    def started(self) -> "Gateway":
        self.process.start()
        until(lambda: self.get("/health/live").ok)
        return self

    def get(self, path: str, token: str = "", **options: Any) -> requests.Response:
        headers = options.pop("headers", {}) | ({"Access-Token": token} if token else {})
        return requests.get(self.url + path, headers=headers, timeout=10, **options)

    def sign_in(self, login: str = "alice", **headers: str) -> requests.Response:
        """Go through the flow as a browser does; headers are sent with each request."""
        with requests.Session() as browser:
            browser.headers.update(headers)
            page = browser.get(f"{self.url}/login?next=/v1.0/links", timeout=10)
            return browser.post(page.url, data={"login": login}, timeout=10)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, nats_url: str) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), nats_url)
    yield gateway.started()
    assert gateway.process.stop() == 0


@pytest.fixture
def token(gateway: Gateway, peers: ServiceProcess) -> str:
    profile = until(lambda: (answer := gateway.sign_in()).ok and answer.json())
    return str(profile["access_token"])


@pytest.mark.usefixtures("token")
def test_program_signs_in_and_gets_the_profile(gateway: Gateway) -> None:
    answer = gateway.sign_in("Alice", Accept="application/json")
    profile = answer.json()
    assert profile["err"] == ""
    assert (profile["login"], profile["username"]) == ("Alice", "alice")
    assert profile["email"] == "alice@development.invalid"
    assert profile["access_token"].startswith("dlk_")
    assert "no-store" in answer.headers["Cache-Control"]
    assert "Max-Age=0" in answer.headers["Set-Cookie"]


@pytest.mark.usefixtures("token")
def test_browser_signs_in_and_sees_the_token(gateway: Gateway) -> None:
    answer = gateway.sign_in("bob", **BROWSER)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "You are signed in as" in answer.text
    assert 'href="/v1.0/links">Continue' in answer.text
    assert "dlk_" not in answer.url


def test_token_opens_the_api_until_logout(gateway: Gateway, token: str) -> None:
    for version in ("v1.0", "v1"):
        answer = gateway.get(f"/{version}/links", token)
        assert answer.json() == {"err": "", "links": [], "next_token": ""}
    bearer = {"Authorization": f"Bearer {token}"}
    assert gateway.get("/v1.0/links", headers=bearer).status_code == 200
    assert gateway.get("/logout", token).text == "OK"
    assert gateway.get("/logout", token).status_code == 401
    assert gateway.get("/v1.0/links", token).status_code == 401


@pytest.mark.parametrize("path", ["/v1.0/links", "/v1/news", "/v1.0/followers", "/logout"])
def test_nobody_gets_in_by_a_parameter(gateway: Gateway, token: str, path: str) -> None:
    answer = gateway.get(f"{path}?access_token={token}&Access-Token={token}")
    assert (answer.status_code, answer.json()["err"]) == (401, "Access Denied!")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_callback_with_the_state_of_another_browser_is_refused(gateway: Gateway) -> None:
    with requests.Session() as mallory:
        page = mallory.get(f"{gateway.url}/login", timeout=10)
        back = mallory.post(
            page.url, data={"login": "mallory"}, allow_redirects=False, timeout=10
        ).headers["Location"]
    for accept, kind in (("*/*", "application/problem+json"), (BROWSER["Accept"], "text/html")):
        answer = requests.get(back, headers={"Accept": accept}, timeout=10)
        assert answer.status_code == 400
        assert answer.headers["Content-Type"].startswith(kind)
        assert "invalid_state" in answer.text


def test_openid_provider_signs_in_beside_the_other(
    tmp_path: Path, nats_url: str, peers: ServiceProcess
) -> None:
    with openid_provider({"sub": "7f", "preferred_username": "carol"}) as issuer:
        settings = {"OAUTH_CLIENT_ID": "id", "OAUTH_CLIENT_SECRET": "secret"}
        settings |= {"OIDC_CLIENT_ID": "id", "OIDC_CLIENT_SECRET": "secret"}
        settings |= {"OIDC_ISSUER_URL": issuer, "ALLOWED_LOGINS": "oidc:7f"}
        gateway = Gateway(tmp_path, nats_url, **settings).started()
        try:
            home = gateway.get("/", headers=BROWSER).text
            assert "Sign in with GitHub" in home
            assert "Sign in with localhost" in home
            for subject, status in [("7f", 200), ("another", 403)]:
                with requests.Session() as browser:
                    page = browser.get(f"{gateway.url}/login?provider=oidc", timeout=10)
                    answer = browser.post(page.url, data={"sub": subject}, timeout=10)
                    assert answer.status_code == status, answer.text
                    # A sign-in is over, good or not.
                    assert "delinkcious_sign_in" not in browser.cookies
                    if status == 200:
                        assert answer.json()["login"] == "carol"
                    else:
                        assert answer.json()["code"] == "not_admitted"
        finally:
            assert gateway.process.stop() == 0


def test_cancelled_sign_in_is_forbidden(gateway: Gateway) -> None:
    with requests.Session() as browser:
        page = browser.get(f"{gateway.url}/login", timeout=10)
        answer = browser.post(page.url, data={"decision": "deny"}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_cancelled")


def test_refusals_of_a_peer_reach_the_caller(gateway: Gateway, token: str) -> None:
    headers = {"Access-Token": token}
    url = f"{gateway.url}/v1.0/links"
    answer = requests.post(url, headers=headers, json={"title": "t"}, timeout=10)
    assert (answer.status_code, answer.json()["field"]) == (400, "url")
    answer = requests.post(url, headers=headers, data={"url": "https://a.example"}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (409, "link_exists")


@pytest.mark.usefixtures("peers")
def test_peer_that_hangs_is_503_within_the_deadline(gateway: Gateway) -> None:
    began = time.monotonic()
    answer = gateway.get("/v1.0/links", "dlk_mallory")
    assert time.monotonic() - began < 3
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_peers_that_are_away_are_503_and_named(gateway: Gateway, token: str) -> None:
    for path in ("/v1.0/news", "/v1.0/following"):
        began = time.monotonic()
        answer = gateway.get(path, token)
        assert time.monotonic() - began < 3
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    ready = gateway.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["waiting_for"] == ["news_svc", "social_graph_svc"]
    assert gateway.get("/health/live").ok


@pytest.fixture
def drip() -> Iterator[str]:
    """Return the address of an identity provider that answers one byte at a time, for ever."""
    listening, stopped = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            connection, _ = listening.accept()
            threading.Thread(target=answer, args=(connection,)).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stopped.wait(0.02):
                    connection.sendall(b" ")
            except OSError:
                return  # the gateway hung up, as it should

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    stopped.set()
    socket.create_connection(listening.getsockname()).close()
    thread.join()
    listening.close()


@pytest.mark.usefixtures("token")
def test_dripping_provider_is_504_and_others_are_served(
    tmp_path: Path, nats_url: str, drip: str
) -> None:
    settings = {
        "OAUTH_CLIENT_ID": "our-id",
        "OAUTH_CLIENT_SECRET": "our-secret",
        "OAUTH_BASE_URL": drip,
        "OAUTH_API_URL": drip,
    }
    gateway = Gateway(tmp_path, nats_url, **settings).started()
    try:
        with requests.Session() as browser:
            away = browser.get(f"{gateway.url}/login", allow_redirects=False, timeout=10)
            state = away.headers["Location"].partition("state=")[2].partition("&")[0]
            back = f"{gateway.url}/login/authorized?code=the-code&state={state}"
            answers: list[requests.Response] = []
            waiting = threading.Thread(target=lambda: answers.append(browser.get(back, timeout=10)))
            began = time.monotonic()
            waiting.start()
            assert gateway.get("/v1.0/links", "dlk_nobody").status_code == 401
            assert waiting.is_alive()
            waiting.join()
        assert (answers[0].status_code, answers[0].json()["code"]) == (
            504,
            "identity_provider_timeout",
        )
        assert time.monotonic() - began < 3
    finally:
        assert gateway.process.stop() == 0
    log = gateway.process.log.read_text()
    assert not [secret for secret in ("our-secret", "the-code", state) if secret in log]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ENVIRONMENT": "production"}, "OAUTH_CLIENT_ID and OIDC_CLIENT_ID are empty"),
        ({"ENVIRONMENT": "production", "OAUTH_CLIENT_ID": "id"}, "OAUTH_CLIENT_SECRET is empty"),
        ({"PUBLIC_URL": "localhost:5000"}, "PUBLIC_URL must be like https://example.org"),
    ],
)
def test_unsafe_configuration_stops_the_start_in_one_line(
    tmp_path: Path, nats_url: str, settings: dict[str, Any], said: str
) -> None:
    gateway = Gateway(tmp_path, nats_url, **settings)
    gateway.process.start()
    assert gateway.process.wait(60) != 0
    assert said in gateway.process.log.read_text()
    assert "Traceback" not in gateway.process.log.read_text()


def test_taken_port_of_the_provider_is_named(tmp_path: Path, nats_server: NatsServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = Gateway(tmp_path, nats_server.url, DEV_IDENTITY_PROVIDER_PORT=port)
        gateway.process.start()
        assert gateway.process.wait(60) != 0
    log = gateway.process.log.read_text()
    assert f"port {port} (DEV_IDENTITY_PROVIDER_PORT) cannot be used" in log
    assert "Traceback" not in log


def test_f14_no_website_is_let_in_unless_it_is_configured(gateway: Gateway) -> None:
    for origin in (gateway.url, "null", "https://anybody.example"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        for method in ("GET", "OPTIONS"):
            found = requests.request(
                method, f"{gateway.url}/v1.0/links", headers=headers, timeout=9
            )
            assert not [name for name in found.headers if name.startswith("Access-Control")]
