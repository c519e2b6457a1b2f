"""The identity provider over real HTTP: the development one, and one that misbehaves on purpose."""

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from werkzeug.serving import make_server

from chassis import errors
from gateway.sign_in import development, github
from gateway.sign_in.github import GitHub
from gateway.sign_in.providers import Application, Person, Ticket
from tests.integration.identity_provider import Answer, IdentityProvider, as_json, serving

CALLBACK = "http://localhost:5000/login/authorized"
TOKEN = "/login/oauth/access_token"
SECRETS = ("our-secret", "gho_token", "the-code", "the-verifier")


def good() -> dict[str, Answer]:
    email = {"email": "alice@example.org", "primary": True, "verified": True}
    return {
        TOKEN: as_json(
            {"access_token": "gho_token", "token_type": "bearer", "scope": "read:user,user:email"}
        ),
        "/user": as_json({"id": 7, "login": "alice", "name": None, "email": None}),
        "/user/emails": as_json([{"email": "old@example.org", "primary": False}, email]),
    }


TICKET = Ticket("github", "the-state", "the-verifier", "the-nonce")


@dataclass
class Misbehaving:
    """GitHub as a test wants it, and our way there."""

    provider: IdentityProvider
    organizations: tuple[str, ...] = ()

    def person(self) -> Person:
        github = a_provider(self.provider.url, organizations=self.organizations)
        return github.person("the-code", "", TICKET)

    def refuses(self) -> errors.ServiceError:
        with pytest.raises(errors.ServiceError) as caught:
            self.person()
        return caught.value


def a_provider(
    url: str,
    seconds: float = 2,
    client_id: str = "our-id",
    client_secret: str = "our-secret",
    organizations: tuple[str, ...] = (),
) -> GitHub:
    application = Application(client_id, client_secret, CALLBACK, seconds)
    return github.at(url, url, application, organizations)


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with serving() as provider:
        provider.answers = good()
        yield Misbehaving(provider)


def test_profile_is_read_with_the_token_that_the_code_buys(server: Misbehaving) -> None:
    person = server.person()
    assert (person.subject, person.login, person.name) == ("7", "alice", "")
    assert person.email == person.profile["email"] == "alice@example.org"
    assert (person.profile["id"], person.profile["name"]) == (7, None)
    assert server.person() == person
    del server.provider.requests[:3]
    (_, token_headers, form), (_, user_headers, _), (emails_path, _, _) = server.provider.requests
    assert {name: value for name, (value,) in parse_qs(form).items()} == {
        "grant_type": "authorization_code",
        "client_id": "our-id",
        "client_secret": "our-secret",
        "code": "the-code",
        "code_verifier": "the-verifier",
        "redirect_uri": CALLBACK,
    }
    assert "Authorization" not in token_headers
    assert token_headers["Accept"] == "application/json"
    assert user_headers["Authorization"] == "Bearer gho_token"
    assert emails_path == "/user/emails"


def test_token_may_come_as_a_form(server: Misbehaving) -> None:
    form = b"access_token=gho_token&scope=read%3Auser&token_type=bearer"
    server.provider.answers[TOKEN] = (200, "application/x-www-form-urlencoded", form)
    assert server.person().login == "alice"


@pytest.mark.parametrize(
    "emails",
    [
        as_json([]),
        as_json([{"email": "a@example.org", "primary": True, "verified": False}]),
        as_json([{"email": "a@example.org", "primary": False, "verified": True}]),
        as_json([{"email": None, "primary": True, "verified": True}]),
        as_json(["a@example.org", None]),
        as_json({"message": "no"}, 403),
        as_json({"message": "no"}, 404),
    ],
)
def test_only_a_verified_primary_address_counts(server: Misbehaving, emails: Answer) -> None:
    server.provider.answers["/user/emails"] = emails
    server.provider.answers["/user"] = as_json(
        {"id": 7, "login": "alice", "email": "unverified@x.org"}
    )
    assert server.person().email == ""


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        ("bad_verification_code", errors.InvalidInput, "invalid_code"),
        ("unverified_user_email", errors.PermissionDenied, "unverified_email"),
        ("incorrect_client_credentials", errors.Unavailable, "identity_provider_refused"),
        ("redirect_uri_mismatch", errors.Unavailable, "identity_provider_refused"),
        ("invalid_grant", errors.InvalidInput, "invalid_code"),
    ],
)
def test_errors_of_the_token_endpoint_are_told(
    server: Misbehaving, status: int, error: str, kind: type, code: str
) -> None:
    as_form = f"error={error}&error_description=our-secret&error_uri=x".encode()
    for answer in [
        as_json({"error": error, "error_description": "our-secret"}, status),
        (status, "application/x-www-form-urlencoded; charset=utf-8", as_form),
    ]:
        server.provider.answers[TOKEN] = answer
        refusal = server.refuses()
        assert (type(refusal), refusal.code) == (kind, code)
        assert "our-secret" not in str(refusal)


HTML = (200, "text/html", b"<html>access_token=gho_token&token_type=bearer</html>")
NONSENSE: dict[str, Answer] = {
    "internal error": (500, "text/plain", b"oops"),
    "bad gateway": (502, "text/html", b"<html>"),
    "unauthorized": as_json({"message": "Bad credentials"}, 401),
    "redirect": (302, "text/html", b""),
    "not modified": (304, "text/plain", b""),
    "no content": (204, "application/json", b""),
    "empty": (200, "application/json", b""),
    "html": HTML,
    "html called json": (200, "application/json", b"<html></html>"),
    "list": as_json([]),
    "number": as_json(5),
    "text": as_json("access_token"),
    "null": as_json(None),
    "empty object": as_json({}),
    "cut": (200, "application/json", b'{"access_token": "gho'),
    "deep": (200, "application/json", b"[" * 100_000),
    "not utf-8": (200, "application/json", b'{"access_token": "\xff"'),
    "strange charset": (200, "application/json; charset=rot13", b"{}"),
    "ten megabytes": as_json({"access_token": "x" * 10_000_000}),
    "called gzip": (200, "application/json", b"\x1f\x8b"),
}


@pytest.mark.parametrize(
    ("path", "nonsense"),
    [
        (path, nonsense)
        for path in (TOKEN, "/user", "/user/emails")
        for nonsense in NONSENSE
        if (path, nonsense) != ("/user/emails", "list")  # no address: a good answer
    ],
)
def test_nonsense_is_unavailable(server: Misbehaving, path: str, nonsense: str) -> None:
    server.provider.answers[path] = NONSENSE[nonsense]
    refusal = server.refuses()
    assert (type(refusal), refusal.code) == (errors.Unavailable, "identity_provider_unavailable")


@pytest.mark.parametrize(
    "token",
    [
        {"access_token": 5},
        {"access_token": ["gho_token"]},
        {"access_token": ""},
        {"access_token": "gho\r\nHost: evil.example"},
        {"access_token": "gho_tökén ☃"},
        {"access_token": "gho_token", "token_type": "mac"},
        {"access_token": "gho_token", "token_type": 5},
        {"access_token": "gho_token", "scope": 5},
        {"access_token": "gho_token", "expires_in": []},
        {"access_token": "gho_token", "expires_in": "soon"},
        {"access_token": "gho_token", "expires_in": float("inf")},
        {"access_token": "gho_token", "expires_in": -5},
        {"access_token": "gho_token", "expires_at": "soon"},
        {"error": 5},
        {"error": {"code": "bad_verification_code"}},
        {"error": "bad_verification_code", "error_description": 5},
    ],
)
def test_strange_tokens_are_clear_errors(server: Misbehaving, token: dict[str, Any]) -> None:
    server.provider.answers[TOKEN] = as_json(token)
    with suppress(errors.Unavailable):
        server.person()


@pytest.mark.parametrize(
    "user",
    [
        {"login": "alice"},
        {"id": 7},
        {"id": "7", "login": "alice"},
        {"id": True, "login": "alice"},
        {"id": 7, "login": ""},
        {"id": 7, "login": None},
        [{"id": 7, "login": "alice"}],
    ],
)
def test_user_needs_a_number_and_a_login(server: Misbehaving, user: Any) -> None:
    server.provider.answers["/user"] = as_json(user)
    assert server.refuses().code == "identity_provider_unavailable"


def test_provider_that_is_away_is_unavailable() -> None:
    with socket.socket() as bound:  # not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(errors.Unavailable):
            a_provider(url).person("c", "", TICKET)


def test_silent_provider_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        provider = a_provider(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.2)
        with pytest.raises(errors.DeadlineExceeded) as caught:
            provider.person("c", "", TICKET)
    assert caught.value.code == "identity_provider_timeout"


DRIP = """
import socket, time
import eventlet; eventlet.monkey_patch()
from chassis import errors
from tests.integration.test_gateway_github import TICKET, a_provider
listening = socket.create_server(("127.0.0.1", 0))
def drip():
    connection, _ = listening.accept()
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nX-Drip: ")
    while True:
        connection.sendall(b"x"); eventlet.sleep(0.01)
eventlet.spawn(drip)
began = time.monotonic()
try:
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    a_provider(url, seconds=0.3).person("c", "", TICKET)
except errors.DeadlineExceeded as error:
    print(error.code, time.monotonic() - began < 2)
"""


def test_dripping_provider_is_a_timeout() -> None:
    """Green threads bound the whole exchange; each read by itself would never end."""
    command = [sys.executable, "-W", "ignore", "-c", DRIP]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "identity_provider_timeout True\n"


def test_secrets_stay_out_of_logs_and_errors(
    server: Misbehaving, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("requests_oauthlib").setLevel(logging.WARNING)  # as in config.yaml
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    for path in (TOKEN, "/user", "/user/emails"):
        for nonsense in (*NONSENSE.values(), as_json({"error": "redirect_uri_mismatch"})):
            server.provider.answers = good() | {path: nonsense}
            try:
                server.person()
            except errors.ServiceError as error:
                told.append(repr(error))
    assert not [secret for secret in SECRETS if secret in caplog.text + "".join(told)]


@pytest.mark.parametrize("path", [TOKEN, "/user", "/user/emails"])
@pytest.mark.parametrize(
    ("status", "headers"),
    [(429, {}), (403, {"X-RateLimit-Remaining": "0"}), (403, {"Retry-After": "60"})],
)
def test_limits_of_github_are_told(
    server: Misbehaving, path: str, status: int, headers: dict[str, str]
) -> None:
    """A limit is no missing address: GitHub answers both with 403."""
    server.provider.answers[path] = as_json({"message": "API rate limit exceeded"}, status)
    server.provider.headers = headers
    assert server.refuses().code == "identity_provider_busy"


def test_membership_is_asked_for_only_where_it_counts(server: Misbehaving) -> None:
    assert "read%3Aorg" not in a_provider("https://github.com").address(TICKET)
    server.organizations = ("active", "pending", "secret", "nowhere")
    assert "read%3Aorg" in a_provider("https://github.com", organizations=("a",)).address(TICKET)
    memberships = {"active": as_json({"state": "active"}), "pending": as_json({"state": "pending"})}
    memberships |= {"secret": as_json({"message": "Forbidden"}, 403)}
    for name, answer in memberships.items():
        server.provider.answers[f"/user/memberships/orgs/{name}"] = answer
    assert server.person().groups == {"active"}


def test_development_provider_signs_in_by_the_same_flow() -> None:
    served = make_server(
        development.HOST, 0, development.Application("http://localhost:5000", CALLBACK)
    )
    served.log = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=served.serve_forever, args=(0.02,))
    thread.start()
    try:
        provider = a_provider(
            f"http://127.0.0.1:{served.server_port}",
            client_id=development.CLIENT_ID,
            client_secret=development.CLIENT_SECRET,
        )
        page = provider.address(TICKET)
        back = requests.post(page, data={"login": "alice"}, allow_redirects=False, timeout=5)
        query = parse_qs(urlsplit(back.headers["Location"]).query)
        assert query["state"] == ["the-state"]
        person = provider.person(query["code"][0], "", TICKET)
        assert person.login == "alice"
        assert person.email == "alice@development.invalid"
        with pytest.raises(errors.InvalidInput) as caught:
            provider.person(query["code"][0], "", TICKET)
        assert caught.value.code == "invalid_code"
    finally:
        served.shutdown()
        served.server_close()
        thread.join()
