"""Any OpenID provider, by the address of its issuer (OpenID Connect Core 1.0)."""

import hmac
from typing import Any
from urllib.parse import quote_plus, urlsplit

from joserfc import jws, jwt
from joserfc.errors import JoseError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from chassis import errors
from gateway.sign_in import exchange
from gateway.sign_in.issuer import Endpoints, Issuer
from gateway.sign_in.providers import Application, Person, Ticket, plain, plain_text

# Never `none`, and nothing whose key is our client secret.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
CLOCKS_DIFFER_SECONDS = 60
PROFILE = ("sub", "preferred_username", "name", "email", "picture", "profile", "website")
MOST_GROUPS = 1000
MAX_SUBJECT = 255  # OpenID Connect Core, 2

Claims = dict[str, Any]


class OpenIdProvider:
    """An OpenID provider; ``scope`` is what we ask it for, ``openid`` among it."""

    key = "oidc"

    def __init__(self, issuer: str, application: Application, scope: str, label: str = "") -> None:
        # The whole address: a host alone might be that of a GitHub Enterprise server, too.
        self.name = issuer
        self.label = label or str(urlsplit(issuer).hostname)
        self.application = application
        self.scope = scope
        self.issuer = Issuer(issuer, application)

    def address(self, ticket: Ticket) -> str:
        """Return the page to which a browser is sent to sign in; it may have to be asked for."""
        with exchange.bounded(self.application.timeout_seconds):
            url = self.issuer.endpoints().authorization
        return exchange.page(self.application, url, self.scope, ticket, nonce=ticket.nonce)

    def person(self, code: str, issuer: str, ticket: Ticket) -> Person:
        """Exchange the code, check the ID token, and return the person.

        The provider's tokens are used for this alone, and forgotten.
        """
        with exchange.bounded(self.application.timeout_seconds):
            endpoints = self.issuer.endpoints()
            if issuer != self.name and (issuer or endpoints.names_itself):
                raise _false_code()
            with exchange.session(
                self.application, endpoints.token, endpoints.userinfo or endpoints.token
            ) as session:
                answer = self._exchange(session, endpoints, code, ticket)
                claims = self._believed(answer.get("id_token"), ticket)
                return _person(claims | self._userinfo(session, endpoints, claims["sub"]))

    def _exchange(
        self, session: OAuth2Session, endpoints: Endpoints, code: str, ticket: Ticket
    ) -> dict[str, Any]:
        ours = self.application
        # RFC 6749, 2.3.1: both are encoded as in a form before they are put together.
        basic = HTTPBasicAuth(quote_plus(ours.client_id), quote_plus(ours.client_secret))
        how: dict[str, Any] = {"auth": basic}
        if endpoints.secret_in_body:
            how = {"client_secret": ours.client_secret, "include_client_id": True}
        answer: dict[str, Any] = session.fetch_token(
            exchange.as_https(endpoints.token),
            code=code,
            code_verifier=ticket.verifier,
            timeout=ours.timeout_seconds,
            **how,
        )
        return answer

    def _believed(self, id_token: Any, ticket: Ticket) -> Claims:
        """Return the claims of an ID token that is this provider's, for us, and for this ticket."""
        if not isinstance(id_token, str):
            raise ValueError("no ID token")
        try:
            kid = jws.extract_compact(id_token.encode()).headers().get("kid")
            keys = self.issuer.keys(kid)
            claims = dict(jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims)
            jwt.JWTClaimsRegistry(
                leeway=CLOCKS_DIFFER_SECONDS,
                iss={"essential": True, "value": self.name},
                aud={"essential": True, "value": self.application.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
            ).validate(claims)
        except (JoseError, TypeError, KeyError) as exc:
            raise ValueError(f"an ID token that cannot be believed: {exc}") from exc
        self._check_parties(claims)
        # Somebody else's code, slipped into this browser, comes with somebody else's nonce.
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), ticket.nonce.encode()):
            raise _false_code()
        return claims

    def _check_parties(self, claims: Claims) -> None:
        ours, subject = self.application.client_id, claims["sub"]
        if claims.get("azp", ours) != ours or (
            isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims
        ):
            raise ValueError("an ID token for somebody else")
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
            raise ValueError("an ID token about nobody")

    def _userinfo(self, session: OAuth2Session, endpoints: Endpoints, subject: str) -> Claims:
        """Return what the provider tells beyond the ID token."""
        if not endpoints.userinfo:
            return {}
        timeout = self.application.timeout_seconds
        answer = exchange.read(session, endpoints.userinfo, timeout=timeout)
        answer.raise_for_status()
        told = answer.json()
        # OpenID Connect Core, 5.3.2: it may be a token's bearer whom the provider mixes up.
        if not isinstance(told, dict) or told.get("sub") != subject:
            raise ValueError("the userinfo are about somebody else")
        return told


def _person(claims: Claims) -> Person:
    email = plain_text(claims.get("email")) if claims.get("email_verified") is True else ""
    login = plain_text(claims.get("preferred_username")) or email.partition("@")[0] or "user"
    groups = claims.get("groups")
    return Person(
        subject=claims["sub"],
        login=login,
        name=plain_text(claims.get("name")),
        email=email,
        # What people may choose for themselves, such as preferred_username, admits nobody.
        admitted_as=f"oidc:{claims['sub']}",
        groups=frozenset(
            group
            for group in (groups if isinstance(groups, list) else [])[:MOST_GROUPS]
            if isinstance(group, str)
        ),
        profile={name: plain(claims.get(name)) for name in PROFILE}
        | {"login": login, "email": email or None},
    )


def _false_code() -> errors.ServiceError:
    return errors.InvalidInput(*exchange.PERSONS_FAULTS["invalid_grant"][1:])
