"""The flow away to the provider and back: bound to one browser, used once."""

import hashlib
from dataclasses import replace
from typing import Any
from unittest.mock import create_autospec
from urllib.parse import parse_qs, urlsplit

import pytest
from itsdangerous import URLSafeTimedSerializer
from nameko import config
from nameko.exceptions import ConfigurationError
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from chassis import errors
from gateway.sign_in import configured, development_server, flow, github
from gateway.sign_in.admission import Admission, listed
from gateway.sign_in.providers import Application, Person

PERSON = Person(
    subject="7",
    login="alice",
    name="",
    email="",
    admitted_as="alice",
    groups=frozenset(),
    profile={"login": "alice", "bio": "b"},
)


def an_application(public_url: str = "http://localhost:5000", path: str = "") -> Application:
    return Application("our-id", "our-secret", f"{public_url}/login/authorized{path}", 1)


def a_provider(**application: Any) -> github.GitHub:
    return github.at("https://github.com", "https://api.github.com", an_application(**application))


def a_sign_in(
    secret: str = "key", admission: Admission | None = None, **application: Any
) -> flow.SignIn:
    return flow.SignIn([a_provider(**application)], secret, admission or Admission())


def a_request(path: str, cookie: str = "", **headers: str) -> Request:
    headers |= {"Cookie": f"{flow.COOKIE}={cookie}"}
    return Request(EnvironBuilder(path, headers=headers).get_environ())


def cookie_of(response: Response) -> str:
    return response.headers["Set-Cookie"].partition("=")[2].partition(";")[0]


def departed(sign_in: flow.SignIn, path: str = "/login") -> tuple[str, str]:
    """Return the state and the cookie of somebody on the way."""
    response = sign_in.depart(a_request(path))
    (state,) = parse_qs(urlsplit(response.headers["Location"]).query)["state"]
    return state, cookie_of(response)


def with_person(sign_in: flow.SignIn, person: Person = PERSON, key: str = "github") -> Any:
    provider = create_autospec(github.GitHub, instance=True)
    provider.person.return_value = person
    provider.key, provider.name = key, "github.com"
    provider.address.return_value = "https://elsewhere.example/"
    sign_in.providers[key] = provider
    return provider


def refused(
    sign_in: flow.SignIn, path: str, cookie: str, provider: str = ""
) -> errors.ServiceError:
    with pytest.raises(errors.ServiceError) as caught:
        sign_in.arrive(a_request(path, cookie), provider)
    return caught.value


def test_login_leads_to_the_provider_with_state_and_pkce() -> None:
    response = a_sign_in().depart(a_request("/login", Host="evil.example"))
    location = urlsplit(response.headers["Location"])
    query = {name: value for name, (value,) in parse_qs(location.query).items()}
    assert response.status_code == 302
    assert location._replace(query="").geturl() == "https://github.com/login/oauth/authorize"
    assert len(query.pop("state")) >= 43
    assert len(query.pop("code_challenge")) == 43
    assert query == {
        "response_type": "code",
        "client_id": "our-id",
        "redirect_uri": "http://localhost:5000/login/authorized",
        "scope": "read:user user:email",
        "code_challenge_method": "S256",
    }


def test_login_cookie_is_for_this_sign_in_alone() -> None:
    cookie = a_sign_in().depart(a_request("/login")).headers["Set-Cookie"]
    flags = set(cookie.split("; ")[1:]) - {"Secure"}
    assert {"HttpOnly", "SameSite=Lax", "Path=/login", "Max-Age=600"} <= flags
    assert "Secure" not in cookie
    behind_tls = a_sign_in(public_url="https://example.org/links").depart(a_request("/login"))
    assert "Secure" in behind_tls.headers["Set-Cookie"]
    assert "Path=/links/login" in behind_tls.headers["Set-Cookie"]


def test_every_login_has_its_own_state_and_challenge() -> None:
    sign_in = a_sign_in()
    seen = {sign_in.depart(a_request("/login")).headers["Location"] for _ in range(10)}
    assert len(seen) == 10


def test_arrival_is_who_the_provider_names() -> None:
    sign_in = a_sign_in()
    state, cookie = departed(sign_in, "/login?next=/v1.0/links")
    provider = with_person(sign_in)
    arrival = sign_in.arrive(a_request(f"/login/authorized?code=c&state={state}", cookie))
    assert arrival.identity == {
        "provider": "github.com",
        "subject": "7",
        "login": "alice",
        "name": "",
        "email": "",
    }
    assert arrival.profile["bio"] == "b"
    assert arrival.next == "/v1.0/links"
    code, issuer, ticket = provider.person.call_args.args
    assert (code, issuer) == ("c", "")
    assert 43 <= len(ticket.verifier) <= 128
    assert arrival.ticket == hashlib.sha256(state.encode()).hexdigest()


def test_arrival_without_its_own_state_is_refused() -> None:
    sign_in = a_sign_in()
    state, cookie = departed(sign_in)
    other_state, other_cookie = departed(sign_in)
    _, foreign = departed(a_sign_in("another key"))
    provider = with_person(sign_in)
    for given, sent in [
        (state, ""),
        (state, other_cookie),
        (other_state, cookie),
        (state, foreign),
        (state, cookie[:-1]),
        (state, "x" + cookie),
        (state[:-1], cookie),
        ("", cookie),
        ("", ""),
        ("%ff%00ü", cookie),
    ]:
        error = refused(sign_in, f"/login/authorized?code=c&state={given}", sent)
        assert (error.code, error.field) == ("invalid_state", "state")
    provider.person.assert_not_called()


def test_arrival_after_ten_minutes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in = a_sign_in()
    state, cookie = departed(sign_in)
    with_person(sign_in)
    signed_at = URLSafeTimedSerializer.default_signer("key").get_timestamp()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: signed_at + 602)
    path = f"/login/authorized?code=c&state={state}"
    assert refused(sign_in, path, cookie).code == "invalid_state"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ("error=access_denied", errors.PermissionDenied, "sign_in_cancelled"),
        ("error=redirect_uri_mismatch", errors.Unavailable, "identity_provider_refused"),
        ("error=temporarily_unavailable", errors.Unavailable, "identity_provider_unavailable"),
        ("error=server_error", errors.Unavailable, "identity_provider_unavailable"),
        ("error=", errors.Unavailable, "identity_provider_refused"),
        ("code=", errors.InvalidInput, "missing_code"),
        ("", errors.InvalidInput, "missing_code"),
    ],
)
def test_refusals_of_the_provider_are_told(answer: str, kind: type, code: str) -> None:
    sign_in = a_sign_in()
    state, cookie = departed(sign_in)
    error = refused(sign_in, f"/login/authorized?{answer}&state={state}", cookie)
    assert (type(error), error.code) == (kind, code)


def test_provider_error_is_not_believed_without_state() -> None:
    error = refused(a_sign_in(), "/login/authorized?error=access_denied&state=x", "")
    assert error.code == "invalid_state"


@pytest.mark.parametrize(
    "onward",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/a\\b",
        "/%0d%0aSet-Cookie:a",
        "/%09/evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/" + "a" * 600,
    ],
)
def test_next_outside_is_ignored(onward: str) -> None:
    sign_in = a_sign_in()
    state, cookie = departed(sign_in, f"/login?next={onward}")
    with_person(sign_in)
    arrival = sign_in.arrive(a_request(f"/login/authorized?code=c&state={state}", cookie))
    assert arrival.next == ""


def test_slow_provider_cannot_take_every_worker() -> None:
    sign_in = a_sign_in()
    state, cookie = departed(sign_in)
    with_person(sign_in)
    path = f"/login/authorized?code=c&state={state}"
    for _ in range(flow.AT_ONCE):
        sign_in.slots.acquire()
    assert refused(sign_in, path, cookie).code == "sign_in_busy"
    sign_in.slots.release()
    for _ in range(3):
        assert sign_in.arrive(a_request(path, cookie)).identity["login"] == "alice"


def test_cookie_is_taken_away_after_use() -> None:
    cookie = a_sign_in().forget(Response()).headers["Set-Cookie"]
    assert cookie.startswith(f"{flow.COOKIE}=;")
    assert "Max-Age=0" in cookie
    assert "Path=/login" in cookie


def test_each_provider_has_its_own_address_to_come_back_to() -> None:
    """RFC 9700, 4.4: whoever can answer for one provider cannot for another."""
    sign_in = a_sign_in()
    with_person(sign_in), with_person(sign_in, key="oidc")
    for departed_for, came_back_as in [("github", "oidc"), ("oidc", "github"), ("oidc", "")]:
        response = sign_in.depart(a_request(f"/login?provider={departed_for}"))
        ticket = sign_in.signer.loads(cookie_of(response))
        path = f"/login/authorized?code=c&state={ticket['state']}"
        assert refused(sign_in, path, cookie_of(response), came_back_as).code == "invalid_state"
    assert sign_in.arrive(a_request(path, cookie_of(response)), "oidc").identity["login"] == "alice"


@pytest.mark.parametrize("provider", ["gitlab", "oidc", "GITHUB"])
def test_unknown_provider_is_named(provider: str) -> None:
    sign_in = a_sign_in()
    with pytest.raises(errors.InvalidInput) as caught:
        sign_in.depart(a_request(f"/login?provider={provider}"))
    assert (caught.value.code, caught.value.field) == ("invalid_provider", "provider")
    assert refused(sign_in, "/login/authorized?code=c&state=s", "", provider).code == (
        "invalid_provider"
    )


@pytest.mark.parametrize(
    ("admission", "person", "admitted"),
    [
        ({}, {}, True),
        ({"logins": "bob, Alice"}, {}, True),
        ({"logins": "bob"}, {}, False),
        ({"logins": "oidc:Ab1"}, {"admitted_as": "oidc:Ab1"}, True),
        ({"logins": "oidc:Ab1"}, {"admitted_as": "oidc:ab1"}, False),
        ({"logins": "alice"}, {"admitted_as": "oidc:alice"}, False),
        ({"organizations": "Our-Team"}, {"groups": frozenset(["our-team"])}, True),
        ({"organizations": "our-team"}, {"groups": frozenset(["our"])}, False),
        ({"email_domains": "example.org"}, {"email": "a@Example.org"}, True),
        ({"email_domains": "example.org"}, {"email": "a@sub.example.org"}, False),
        ({"email_domains": "example.org"}, {"email": "a@evilexample.org"}, False),
        ({"email_domains": "example.org"}, {"email": ""}, False),
        ({"logins": "bob", "email_domains": "example.org"}, {"email": "a@example.org"}, True),
        ({"logins": "bob", "organizations": "team"}, {"email": "a@example.org"}, False),
    ],
)
def test_only_whom_a_list_names_is_admitted(
    admission: dict[str, str], person: dict[str, Any], admitted: bool
) -> None:
    lists = {name: listed(text) for name, text in admission.items()}
    sign_in = a_sign_in(admission=Admission(**lists))
    state, cookie = departed(sign_in)
    with_person(sign_in, replace(PERSON, **person))
    path = f"/login/authorized?code=c&state={state}"
    if admitted:
        assert sign_in.arrive(a_request(path, cookie)).identity["login"] == "alice"
    else:
        error = refused(sign_in, path, cookie)
        assert (type(error), error.code) == (errors.PermissionDenied, "not_admitted")


SETTINGS = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://links.example.org",
    "OAUTH_CLIENT_ID": "our-id",
    "OAUTH_CLIENT_SECRET": "our-secret",
    "OAUTH_BASE_URL": "https://github.example.org/",
    "OAUTH_API_URL": "https://github.example.org/api/v3",
    "OAUTH_TIMEOUT_SECONDS": 5,
    "OIDC_CLIENT_ID": "",
    "OIDC_CLIENT_SECRET": "their-secret",
    "OIDC_ISSUER_URL": "https://id.example.org/",
    "OIDC_SCOPE": "openid profile email",
    "OIDC_LABEL": "",
    "ALLOWED_LOGINS": "",
    "ALLOWED_ORGANIZATIONS": "",
    "ALLOWED_EMAIL_DOMAINS": "",
    "SESSION_SECRET": "a long random text",
    "DEV_IDENTITY_PROVIDER_PORT": 5002,
}


def configured_sign_in(**settings: Any) -> flow.SignIn:
    extension = configured.OAuth()
    with config.patch(SETTINGS | settings):
        extension.setup()
    return extension.get_dependency(None)


def test_provider_is_the_configured_one() -> None:
    (provider,) = configured_sign_in(ALLOWED_ORGANIZATIONS="b,A").providers.values()
    assert isinstance(provider, github.GitHub)
    assert provider.name == provider.label == "github.example.org"
    assert provider.token_url == "https://github.example.org/login/oauth/access_token"
    assert provider.api_url == "https://github.example.org/api/v3"
    assert provider.organizations == ("a", "b")
    assert "our-secret" not in repr(provider)


def test_two_providers_are_those_configured() -> None:
    sign_in = configured_sign_in(OIDC_CLIENT_ID="id", OAUTH_BASE_URL="https://github.com")
    assert sign_in.labels() == {"github": "GitHub", "oidc": "id.example.org"}
    provider = sign_in.providers["oidc"]
    assert provider.name == "https://id.example.org/"
    assert provider.application.redirect_uri == "https://links.example.org/login/authorized/oidc"
    alone = configured_sign_in(OIDC_CLIENT_ID="id", OAUTH_CLIENT_ID="", OIDC_LABEL="Our house")
    assert alone.labels() == {"oidc": "Our house"}


def test_development_without_credentials_uses_its_own_provider() -> None:
    development = {"ENVIRONMENT": "development", "OAUTH_CLIENT_ID": "", "SESSION_SECRET": ""}
    first, second = configured_sign_in(**development), configured_sign_in(**development)
    assert first.signer.secret_keys != second.signer.secret_keys
    (provider,) = first.providers.values()
    assert isinstance(provider, development_server.DevelopmentProvider)
    assert provider.name == provider.github.name == "development"
    assert provider.application is provider.github.application
    assert provider.github.token_url == "http://127.0.0.1:5002/login/oauth/access_token"
    assert provider.github.authorize_url == "http://localhost:5002/login/oauth/authorize"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("OAUTH_CLIENT_ID", ""),
        ("OAUTH_CLIENT_SECRET", ""),
        ("OAUTH_BASE_URL", "http://github.example.org"),
        ("OAUTH_TIMEOUT_SECONDS", 0),
        ("SESSION_SECRET", ""),
        ("PUBLIC_URL", ""),
        ("OIDC_CLIENT_SECRET", ""),
        ("OIDC_ISSUER_URL", ""),
        ("OIDC_ISSUER_URL", "http://id.example.org"),
        ("OIDC_SCOPE", "profile"),
        ("ALLOWED_LOGINS", " , "),
        ("ALLOWED_ORGANIZATIONS", ",".join(f"o{number}" for number in range(21))),
    ],
)
def test_production_does_not_start_without(setting: str, value: Any) -> None:
    oidc = {"OIDC_CLIENT_ID": "id"} if setting.startswith("OIDC") else {}
    with pytest.raises(ConfigurationError, match=setting):
        configured_sign_in(**oidc | {setting: value})
