"""The flow away to the provider and back: bound to one browser, used once."""

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
from gateway import oauth
from gateway.provider import Provider

PROFILE = {"id": 7, "login": "alice", "name": None, "email": None, "site_admin": True, "bio": "b"}


def a_provider(public_url: str = "http://localhost:5000") -> Provider:
    return Provider(
        name="github.com",
        authorize_url="https://github.com/login/oauth/authorize",
        token_url="https://github.com/login/oauth/access_token",
        api_url="https://api.github.com",
        client_id="our-id",
        client_secret="our-secret",
        redirect_uri=f"{public_url}/login/authorized",
        timeout_seconds=1,
    )


def a_sign_in(secret: str = "key", **provider: Any) -> oauth.SignIn:
    return oauth.SignIn(a_provider(**provider), secret)


def a_request(path: str, cookie: str = "", **headers: str) -> Request:
    headers |= {"Cookie": f"{oauth.COOKIE}={cookie}"}
    return Request(EnvironBuilder(path, headers=headers).get_environ())


def cookie_of(response: Response) -> str:
    return response.headers["Set-Cookie"].partition("=")[2].partition(";")[0]


def departed(sign_in: oauth.SignIn, path: str = "/login") -> tuple[str, str]:
    """Return the state and the cookie of somebody on the way."""
    response = sign_in.depart(a_request(path))
    (state,) = parse_qs(urlsplit(response.headers["Location"]).query)["state"]
    return state, cookie_of(response)


def with_profile(sign_in: oauth.SignIn, profile: dict[str, Any]) -> Any:
    sign_in.provider = create_autospec(Provider, instance=True)
    sign_in.provider.profile.return_value = profile
    sign_in.provider.name, sign_in.provider.redirect_uri = "github.com", "http://x/login/authorized"
    return sign_in.provider


def refused(sign_in: oauth.SignIn, path: str, cookie: str) -> errors.ServiceError:
    with pytest.raises(errors.ServiceError) as caught:
        sign_in.arrive(a_request(path, cookie))
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
    provider = with_profile(sign_in, PROFILE)
    arrival = sign_in.arrive(a_request(f"/login/authorized?code=c&state={state}", cookie))
    assert arrival.identity == {
        "provider": "github.com",
        "subject": "7",
        "login": "alice",
        "name": "",
        "email": "",
    }
    assert arrival.profile["bio"] == "b"
    assert "site_admin" not in arrival.profile
    assert arrival.next == "/v1.0/links"
    code, verifier = provider.profile.call_args.args
    assert code == "c"
    assert 43 <= len(verifier) <= 128


def test_arrival_without_its_own_state_is_refused() -> None:
    sign_in = a_sign_in()
    state, cookie = departed(sign_in)
    other_state, other_cookie = departed(sign_in)
    _, foreign = departed(a_sign_in("another key"))
    provider = with_profile(sign_in, PROFILE)
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
    provider.profile.assert_not_called()


def test_arrival_after_ten_minutes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in = a_sign_in()
    state, cookie = departed(sign_in)
    with_profile(sign_in, PROFILE)
    signed_at = URLSafeTimedSerializer.default_signer("key").get_timestamp()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: signed_at + 602)
    path = f"/login/authorized?code=c&state={state}"
    assert refused(sign_in, path, cookie).code == "invalid_state"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ("error=access_denied", errors.PermissionDenied, "sign_in_cancelled"),
        ("error=redirect_uri_mismatch", errors.Unavailable, "identity_provider_refused"),
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
    with_profile(sign_in, PROFILE)
    arrival = sign_in.arrive(a_request(f"/login/authorized?code=c&state={state}", cookie))
    assert arrival.next == ""


def test_slow_provider_cannot_take_every_worker() -> None:
    sign_in = a_sign_in()
    state, cookie = departed(sign_in)
    with_profile(sign_in, PROFILE)
    path = f"/login/authorized?code=c&state={state}"
    for _ in range(oauth.AT_ONCE):
        sign_in.slots.acquire()
    assert refused(sign_in, path, cookie).code == "sign_in_busy"
    sign_in.slots.release()
    for _ in range(3):
        assert sign_in.arrive(a_request(path, cookie)).identity["login"] == "alice"


def test_cookie_is_taken_away_after_use() -> None:
    cookie = a_sign_in().forget(Response()).headers["Set-Cookie"]
    assert cookie.startswith(f"{oauth.COOKIE}=;")
    assert "Max-Age=0" in cookie
    assert "Path=/login" in cookie


SETTINGS = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://links.example.org",
    "OAUTH_CLIENT_ID": "our-id",
    "OAUTH_CLIENT_SECRET": "our-secret",
    "OAUTH_BASE_URL": "https://github.example.org/",
    "OAUTH_API_URL": "https://github.example.org/api/v3",
    "OAUTH_TIMEOUT_SECONDS": 5,
    "SESSION_SECRET": "a long random text",
    "DEV_IDENTITY_PROVIDER_PORT": 5002,
}


def test_provider_is_the_configured_one() -> None:
    with config.patch(SETTINGS):
        provider = oauth.provider_from_config()
    assert provider.name == "github.example.org"
    assert provider.token_url == "https://github.example.org/login/oauth/access_token"
    assert provider.api_url == "https://github.example.org/api/v3"
    assert "our-secret" not in repr(provider)


def test_development_without_credentials_uses_its_own_provider() -> None:
    development = {"ENVIRONMENT": "development", "OAUTH_CLIENT_ID": "", "SESSION_SECRET": ""}
    with config.patch(SETTINGS | development):
        provider = oauth.provider_from_config()
        assert oauth.session_secret() != oauth.session_secret()
    assert provider.name == "development"
    assert provider.token_url == "http://127.0.0.1:5002/login/oauth/access_token"
    assert provider.authorize_url == "http://localhost:5002/login/oauth/authorize"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("OAUTH_CLIENT_ID", ""),
        ("OAUTH_CLIENT_SECRET", ""),
        ("OAUTH_BASE_URL", "http://github.example.org"),
        ("OAUTH_TIMEOUT_SECONDS", 0),
        ("SESSION_SECRET", ""),
        ("PUBLIC_URL", ""),
    ],
)
def test_production_does_not_start_without(setting: str, value: Any) -> None:
    with (
        config.patch(SETTINGS | {setting: value}),
        pytest.raises(ConfigurationError, match=setting),
    ):
        oauth.OAuth().setup()
