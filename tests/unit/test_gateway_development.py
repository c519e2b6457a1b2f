"""The development identity provider: as strict about the flow as GitHub, and about nothing else."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from nameko import config
from nameko.exceptions import ConfigurationError
from werkzeug.test import Client, TestResponse

from gateway.sign_in import development, development_server

PUBLIC = "http://localhost:5000"
CALLBACK = f"{PUBLIC}/login/authorized"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
QUERY = {
    "client_id": development.CLIENT_ID,
    "redirect_uri": CALLBACK,
    "state": "a state",
    "code_challenge": CHALLENGE.decode(),
    "code_challenge_method": "S256",
}
EXCHANGE = {
    "client_id": development.CLIENT_ID,
    "client_secret": development.CLIENT_SECRET,
    "redirect_uri": CALLBACK,
    "code_verifier": VERIFIER,
}


@pytest.fixture
def browser() -> Client:
    return Client(development.Application(PUBLIC, CALLBACK))


def authorize(browser: Client, login: str = "alice", **form: str) -> TestResponse:
    address = f"/login/oauth/authorize?{urlencode(QUERY)}"
    return browser.post(address, data={"login": login} | form)


def answer_of(response: TestResponse) -> dict[str, str]:
    location = urlsplit(response.headers["Location"])
    assert location._replace(query="").geturl() == CALLBACK
    return {name: value for name, (value,) in parse_qs(location.query).items()}


def exchange(browser: Client, code: str, **changes: str) -> dict[str, Any]:
    response = browser.post("/login/oauth/access_token", data=EXCHANGE | {"code": code} | changes)
    assert response.status_code == 200
    return response.json


def test_a_name_becomes_a_person(browser: Client) -> None:
    answer = answer_of(authorize(browser))
    assert answer.pop("state") == "a state"
    token = exchange(browser, answer["code"])["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    user = browser.get("/user", headers=bearer).json
    assert (user["login"], user["name"], user["email"]) == ("alice", "alice", None)
    assert browser.get("/user/emails", headers=bearer).json == [
        {"email": "alice@development.invalid", "primary": True, "verified": True}
    ]


def test_the_same_name_is_the_same_person() -> None:
    assert development.person("Alice")["id"] == development.person("alice")["id"] == 48206826798862
    assert development.person("alice")["id"] != development.person("bob")["id"]
    assert 0 < development.person("alice")["id"] < 2**53


def test_page_asks_for_a_name(browser: Client) -> None:
    response = browser.get(f"/login/oauth/authorize?{urlencode(QUERY | {'login': 'bob'})}")
    assert response.status_code == 200
    assert 'value="bob"' in response.text
    assert "development identity provider" in response.text


@pytest.mark.parametrize("login", ["", " ", "-a", "a b", "a" * 65, "ü", "<b>", "a\nb"])
def test_what_is_no_name_is_asked_again(browser: Client, login: str) -> None:
    response = authorize(browser, login)
    assert response.status_code == 400
    assert "A name has letters" in response.text
    assert "<b>" not in response.text


def test_cancel_goes_back_without_a_code(browser: Client) -> None:
    answer = answer_of(authorize(browser, decision="deny"))
    assert answer == {"error": "access_denied", "state": "a state"}


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "another"},
        {"redirect_uri": "http://evil.example/login/authorized"},
        {"redirect_uri": f"{CALLBACK}/"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
    ],
)
def test_strangers_are_sent_nowhere(browser: Client, change: dict[str, str]) -> None:
    address = f"/login/oauth/authorize?{urlencode(QUERY | change)}"
    for response in (browser.get(address), browser.post(address, data={"login": "alice"})):
        assert response.status_code == 400
        assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_id": "another"}, "incorrect_client_credentials"),
        ({"client_secret": "another"}, "incorrect_client_credentials"),
        ({"redirect_uri": "http://evil.example"}, "redirect_uri_mismatch"),
        ({"code_verifier": "w" * 43}, "bad_verification_code"),
        ({"code_verifier": ""}, "bad_verification_code"),
        ({"code": "made up"}, "bad_verification_code"),
    ],
)
def test_code_is_for_one_client_and_verifier(
    browser: Client, change: dict[str, str], error: str
) -> None:
    code = answer_of(authorize(browser))["code"]
    assert exchange(browser, **{"code": code} | change) == {"error": error}


def test_code_is_good_once(browser: Client) -> None:
    code = answer_of(authorize(browser))["code"]
    assert "access_token" in exchange(browser, code)
    assert exchange(browser, code) == {"error": "bad_verification_code"}


def test_code_is_good_for_a_minute(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    code = answer_of(authorize(browser))["code"]
    late = development.time.monotonic() + development.GRANT_SECONDS
    monkeypatch.setattr("gateway.sign_in.development.time.monotonic", lambda: late)
    assert exchange(browser, code) == {"error": "bad_verification_code"}


def test_memory_is_bounded() -> None:
    grants: development.Grants[int] = development.Grants()
    keys = [grants.issue(number) for number in range(development.GRANTS + 5)]
    assert [grants.look(key) for key in keys[:5]] == [None] * 5
    assert grants.look(keys[5]) == 5
    assert len(grants._grants) == development.GRANTS


def test_user_needs_a_token(browser: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}):
        assert browser.get("/user", headers=headers).status_code == 401


def test_other_hosts_paths_and_methods_are_refused(browser: Client) -> None:
    assert browser.get("/user", headers={"Host": "evil.example"}).status_code == 400
    assert browser.get("/nowhere").status_code == 404
    assert browser.get("/login/oauth/access_token").status_code == 405
    assert authorize(browser, "a" * 20_000).status_code == 413


NO_PROVIDER = {"OAUTH_CLIENT_ID": "", "OIDC_CLIENT_ID": ""}


@pytest.mark.parametrize("provider", NO_PROVIDER)
def test_it_serves_only_in_development(provider: str) -> None:
    extension = development_server.DevelopmentIdentityProvider()
    with config.patch(NO_PROVIDER | {"ENVIRONMENT": "production", provider: "our-id"}):
        extension.setup()
        assert extension.get_dependency(None) is False
        extension.start()
        extension.stop()
    for environment, refusal in (
        ("production", "OAUTH_CLIENT_ID and OIDC_CLIENT_ID are empty"),
        ("staging", "ENVIRONMENT must be"),
        ("Development ", "ENVIRONMENT must be"),
    ):
        with (
            config.patch(NO_PROVIDER | {"ENVIRONMENT": environment}),
            pytest.raises(ConfigurationError, match=refusal),
        ):
            extension.setup()
