"""OpenID Connect over real HTTP: a provider of others' making, and one that forges on purpose."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from chassis import errors
from embedded import ports
from gateway.sign_in import issuer as issuers
from gateway.sign_in.oidc import OpenIdProvider
from gateway.sign_in.providers import Application, Person, Ticket
from tests.integration.identity_provider import IdentityProvider, as_json, openid_provider, serving

CALLBACK = "http://localhost:5000/login/authorized/oidc"
OURS = Application("our-id", "our secret/", CALLBACK, 2)
TICKET = Ticket("oidc", "the-state", "v" * 64, "the-nonce")
DISCOVERY = "/.well-known/openid-configuration"
KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})
OTHERS = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})


@dataclass
class Forger:
    """An OpenID provider whose documents, claims and signature a test sets."""

    provider: IdentityProvider
    claims: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    key: Any = field(default_factory=lambda: KEY)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "first"})
    answer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = OpenIdProvider(self.provider.url, OURS, "openid profile email")

    def person(self, issuer: str = "") -> Person:
        url = self.provider.url
        now = int(time.time())
        claims = {
            "iss": url,
            "aud": "our-id",
            "sub": "subject-7",
            "exp": now + 60,
            "iat": now,
            "nonce": "the-nonce",
        }
        claims = {name: value for name, value in (claims | self.claims).items() if value != ""}
        token = jwt.encode(self.header, claims, self.key, algorithms=[self.header["alg"]])
        endpoints = {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "jwks_uri": f"{url}/keys",
        }
        if self.userinfo is not None:
            endpoints["userinfo_endpoint"] = f"{url}/userinfo"
            self.provider.answers["/userinfo"] = as_json(self.userinfo)
        answer = {"access_token": "theirs", "token_type": "Bearer", "id_token": token}
        self.provider.answers |= {
            DISCOVERY: as_json(endpoints | self.discovery),
            "/token": as_json(answer | self.answer),
        }
        self.provider.answers.setdefault("/keys", as_json(KeySet([KEY]).as_dict(private=False)))
        return self.known.person("the-code", issuer, TICKET)

    def refuses(self, issuer: str = "") -> str:
        with pytest.raises(errors.ServiceError) as caught:
            self.person(issuer)
        return caught.value.code


@pytest.fixture
def forger() -> Iterator[Forger]:
    with serving() as provider:
        yield Forger(provider)


def test_person_is_whom_the_id_token_names(forger: Forger) -> None:
    forger.claims = {"preferred_username": "alice", "name": "Alice", "groups": ["team", 5]}
    forger.claims |= {"email": "alice@example.org", "email_verified": True}
    person = forger.person()
    assert (person.subject, person.login, person.name) == ("subject-7", "alice", "Alice")
    assert (person.email, person.groups) == ("alice@example.org", {"team"})
    assert person.admitted_as == "oidc:subject-7"
    (sent,) = (body for path, _, body in forger.provider.requests if path == "/token")
    assert parse_qs(sent)["code_verifier"] == ["v" * 64]
    assert "secret" not in sent


def test_secret_goes_where_the_provider_wants_it(forger: Forger) -> None:
    forger.person()
    (basic,) = (head for path, head, _ in forger.provider.requests if path == "/token")
    assert basic["Authorization"].startswith("Basic ")
    in_body = Forger(forger.provider)
    in_body.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    in_body.person()
    path, headers, body = next(each for each in in_body.provider.requests[::-1] if "en" in each[0])
    assert (path, parse_qs(body)["client_secret"]) == ("/token", ["our secret/"])
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    ("claims", "login", "email"),
    [
        ({}, "user", ""),
        ({"preferred_username": None, "email": "a@b.org", "email_verified": True}, "a", "a@b.org"),
        ({"email": "a@b.org", "email_verified": False}, "user", ""),
        ({"email": "a@b.org", "email_verified": "true"}, "user", ""),
        ({"email": "a@b.org"}, "user", ""),
        ({"preferred_username": 7, "name": ["x"], "groups": "team"}, "user", ""),
    ],
)
def test_only_a_verified_address_counts(
    forger: Forger, claims: dict[str, Any], login: str, email: str
) -> None:
    forger.claims = claims
    person = forger.person()
    assert (person.login, person.email, person.groups) == (login, email, frozenset())


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": ""},
        {"aud": "another-id"},
        {"aud": ""},
        {"aud": ["our-id", "another-id"]},
        {"aud": ["our-id", "another-id"], "azp": "another-id"},
        {"azp": "another-id"},
        {"exp": int(time.time()) - 3600},
        {"exp": ""},
        {"exp": "tomorrow"},
        {"iat": int(time.time()) + 3600},
        {"sub": ""},
        {"sub": 7},
        {"sub": "s" * 256},
    ],
)
def test_id_token_that_is_not_for_us_is_not_believed(
    forger: Forger, claims: dict[str, Any]
) -> None:
    forger.claims = claims
    assert forger.refuses() == "identity_provider_unavailable"


@pytest.mark.parametrize("nonce", ["", "another", None])
def test_code_of_another_sign_in_is_refused(forger: Forger, nonce: str | None) -> None:
    forger.claims = {"nonce": nonce}
    assert forger.refuses() == "invalid_code"


@pytest.mark.filterwarnings("ignore:JWS algorithm:joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("key", "header"),
    [
        (OTHERS, {"alg": "RS256", "kid": "first"}),
        (OTHERS, {"alg": "RS256", "kid": "second"}),
        (OTHERS, {"alg": "RS256"}),
        (OctKey.import_key("our secret/our secret/our secret/"), {"alg": "HS256", "kid": "first"}),
        (OctKey.import_key("x" * 32), {"alg": "none"}),
        (ECKey.generate_key("P-256"), {"alg": "ES256", "kid": "first"}),
    ],
)
def test_signature_of_another_is_not_believed(
    forger: Forger, key: Any, header: dict[str, Any]
) -> None:
    forger.key, forger.header = key, header
    assert forger.refuses() == "identity_provider_unavailable"


@pytest.mark.parametrize("id_token", [None, "", "a.b.c", "nonsense", 7])
def test_answer_without_an_id_token_is_not_believed(forger: Forger, id_token: Any) -> None:
    forger.answer = {"id_token": id_token}
    assert forger.refuses() == "identity_provider_unavailable"


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": ["https://evil.example"]},
        {"userinfo_endpoint": "http://169.254.169.254/"},
    ],
)
def test_discovery_of_another_is_not_believed(forger: Forger, discovery: dict[str, Any]) -> None:
    forger.discovery = discovery
    assert forger.refuses() == "identity_provider_unavailable"


@pytest.mark.parametrize("keys", [[], {}, {"keys": [7]}, {"keys": [{"kty": "??"}]}, {"keys": {}}])
def test_keys_that_are_none_are_unavailable(forger: Forger, keys: Any) -> None:
    forger.provider.answers["/keys"] = as_json(keys)
    assert forger.refuses() == "identity_provider_unavailable"


def test_answer_of_another_issuer_is_refused() -> None:
    """RFC 9207: who supports it must name itself, and whoever names itself must be the one."""
    with serving() as provider:
        forger = Forger(provider)
        assert forger.refuses(issuer="https://evil.example") == "invalid_code"
        assert forger.person(issuer=provider.url).subject == "subject-7"
    with serving() as provider:
        forger = Forger(provider)
        forger.discovery = {"authorization_response_iss_parameter_supported": True}
        assert forger.refuses() == "invalid_code"


def test_userinfo_add_to_the_id_token_if_they_are_about_the_same(forger: Forger) -> None:
    forger.userinfo = {"sub": "subject-7", "preferred_username": "alice"}
    assert forger.person().login == "alice"
    forger.userinfo = {"sub": "subject-8", "preferred_username": "mallory"}
    assert forger.refuses() == "identity_provider_unavailable"


def test_new_key_is_looked_up_but_not_over_and_over(
    forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    forger.person()
    new = RSAKey.generate_key(2048, {"kid": "second", "use": "sig", "alg": "RS256"})
    forger.key, forger.header = new, {"alg": "RS256", "kid": "second"}
    forger.provider.answers["/keys"] = as_json(KeySet([KEY, new]).as_dict(private=False))
    for _ in range(3):
        assert forger.refuses() == "identity_provider_unavailable"
    assert [path for path, *_ in forger.provider.requests].count("/keys") == 1
    monkeypatch.setattr(issuers, "AGAIN_SECONDS", 0)
    assert forger.person().subject == "subject-7"


def test_discovery_that_goes_away_leaves_the_last_one(
    forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    forger.person()
    monkeypatch.setattr(issuers, "FRESH_SECONDS", 0)
    forger.discovery = {"issuer": "https://evil.example"}
    assert forger.person().subject == "subject-7"


def test_provider_that_is_away_is_unavailable_at_both_ends() -> None:
    away = OpenIdProvider(f"http://127.0.0.1:{ports.free_port()}", OURS, "openid")
    for ask in (lambda: away.address(TICKET), lambda: away.person("c", "", TICKET)):
        with pytest.raises(errors.Unavailable) as caught:
            ask()
        assert caught.value.code == "identity_provider_unavailable"


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    claims = {"sub": "7f", "preferred_username": "Alice", "name": "Alice A."}
    with openid_provider(claims | {"email": "a@example.org", "email_verified": True}) as url:
        yield url


def test_a_real_provider_signs_in(real: str) -> None:
    provider = OpenIdProvider(real, OURS, "openid profile email")
    page = provider.address(TICKET)
    query = parse_qs(urlsplit(page).query)
    assert query["scope"] == ["openid profile email"]
    assert (query["nonce"], query["code_challenge_method"]) == (["the-nonce"], ["S256"])
    back = requests.post(page, data={"sub": "7f"}, allow_redirects=False, timeout=5)
    came = {
        name: value for name, (value,) in parse_qs(urlsplit(back.headers["Location"]).query).items()
    }
    assert came["state"] == "the-state"
    with pytest.raises(errors.InvalidInput):
        provider.person("another-code", "", TICKET)
    person = provider.person(came["code"], came.get("iss", ""), TICKET)
    assert (person.subject, person.login, person.email) == ("7f", "Alice", "a@example.org")
    with pytest.raises(errors.InvalidInput) as used:
        provider.person(came["code"], "", replace(TICKET, nonce="another"))
    assert used.value.code == "invalid_code"
