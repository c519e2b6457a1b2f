"""The identity provider: GitHub, or a server with GitHub's endpoints, asked within bounds."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

import eventlet
import requests
import urllib3
from oauthlib.oauth2 import OAuth2Error
from requests.adapters import HTTPAdapter
from requests_oauthlib import OAuth2Session

from chassis import errors

_log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 1024 * 1024
SCOPE = "read:user user:email"
# What GitHub's token endpoint says (with status 200) when the person, not we, can mend it.
PERSONS_FAULTS: dict[str, tuple[type[errors.ServiceError], str, str, str]] = {
    "bad_verification_code": (
        errors.InvalidInput,
        "invalid_code",
        "This sign-in code is false, used up or too old: sign in again.",
        "code",
    ),
    "unverified_user_email": (
        errors.PermissionDenied,
        "unverified_email",
        "Verify your e-mail address at the identity provider first.",
        "",
    ),
}
PERSONS_FAULTS["invalid_grant"] = PERSONS_FAULTS["bad_verification_code"]  # RFC 6749's name
# What oauthlib (4.0) reads of the token endpoint's answer, and of which type it must be.
TOKEN_FIELDS: dict[str, type | tuple[type, ...]] = {
    "access_token": str,
    "token_type": str,
    "scope": str,
    "error": str,
    "error_description": str,
    "error_uri": str,
    "expires_in": (int, str),
    "expires_at": (int, str),
}


@dataclass(frozen=True)
class Provider:
    """Where the provider is, for the browser and for us, and who we are there."""

    name: str
    authorize_url: str
    token_url: str
    api_url: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    timeout_seconds: float

    def address(self, state: str, challenge: str) -> str:
        """Return the page to which a browser is sent to sign in."""
        with _session(self, scope=SCOPE) as session:
            url, _ = session.authorization_url(
                _as_https(self.authorize_url),
                state=state,
                code_challenge=challenge,
                code_challenge_method="S256",
            )
        return _with_scheme(url, self.authorize_url)

    def profile(self, code: str, verifier: str) -> dict[str, Any]:
        """Exchange the code, and return the person: ``/user``, and ``email`` if it is verified.

        The provider's token is used for this alone, and forgotten. Raises ``invalid_code``,
        ``unverified_email``, ``identity_provider_refused`` or ``…_unavailable`` or ``…_timeout``.
        """
        with _bounded(self.timeout_seconds), _session(self) as session:
            session.fetch_token(
                _as_https(self.token_url),
                code=code,
                code_verifier=verifier,
                client_secret=self.client_secret,
                include_client_id=True,
                timeout=self.timeout_seconds,
            )
            user = self._get(session, "/user")
            if not _is_person(user):
                raise ValueError("/user is no person")
            return user | {"email": _verified(self._get(session, "/user/emails", missing=[]))}

    def _get(self, session: OAuth2Session, path: str, **missing: Any) -> Any:
        url = _as_https(self.api_url) + path
        response = session.get(url, timeout=self.timeout_seconds)
        # Without the right to read addresses GitHub answers 403 or 404: a person without one.
        if missing and response.status_code in (403, 404):
            return missing["missing"]
        response.raise_for_status()
        return response.json()


def _is_person(user: Any) -> bool:
    """A numeric id and a login are what we need; a name may be null."""
    return (
        isinstance(user, dict)
        and type(user.get("id")) is int
        and isinstance(user.get("login"), str)
        and bool(user["login"])
    )


def _verified(emails: Any) -> str | None:
    """Return the address that is primary and verified, if there is one."""
    if not isinstance(emails, list):
        raise ValueError("/user/emails is no list")
    for entry in emails:
        if isinstance(entry, dict) and entry.get("primary") and entry.get("verified") is True:
            return str(entry.get("email") or "") or None
    return None


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Bound the whole exchange, drip by drip; name in our words whatever goes wrong in it."""
    timeout = eventlet.Timeout(seconds)
    try:
        yield
    except (eventlet.Timeout, requests.Timeout, urllib3.exceptions.TimeoutError) as exc:
        if isinstance(exc, eventlet.Timeout) and exc is not timeout:
            raise  # somebody else's
        _log.warning("the identity provider did not answer within %s s", seconds)
        raise errors.DeadlineExceeded(
            "identity_provider_timeout", "The identity provider did not answer in time."
        ) from None
    except OAuth2Error as exc:
        _refuse(exc)
    # RecursionError: JSON that is too deep.
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        ValueError,
        RecursionError,
    ) as exc:
        _log.warning("the identity provider's answer cannot be used: %s", type(exc).__name__)
        raise errors.Unavailable(
            "identity_provider_unavailable", "The identity provider does not work at the moment."
        ) from None
    finally:
        timeout.cancel()


def _refuse(exc: OAuth2Error) -> NoReturn:
    if exc.error in PERSONS_FAULTS:
        kind, *words = PERSONS_FAULTS[exc.error]
        raise kind(*words) from None
    _log.error("the identity provider refuses this application: %.80r", exc.error)
    raise errors.Unavailable(
        "identity_provider_refused",
        "The identity provider does not accept this application; tell whoever runs it.",
    ) from None


class _Adapter(HTTPAdapter):
    """Read no more than 1 MiB of an answer, and speak the scheme that the configuration names.

    requests-oauthlib (2.0) refuses every URL that is not https, unless an environment variable
    says otherwise to the whole process. So it is shown https throughout, and a provider that is
    configured with http (on this machine, in development and tests) is spoken to in http here.
    """

    def __init__(self, configured_url: str) -> None:
        super().__init__()
        self.configured_url = configured_url

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send, and hold the answer's body in memory if it is not too long."""
        request.url = _with_scheme(str(request.url), self.configured_url)
        response = super().send(request, *args, **kwargs | {"stream": True})
        body = response.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True)
        response.raw.close()
        if len(body) > MAX_ANSWER_BYTES:
            raise requests.exceptions.ContentDecodingError("the answer is too long")
        response.raw = io.BytesIO(body)
        response.encoding = response.encoding or "utf-8"
        return response


def _session(provider: Provider, scope: str | None = None) -> OAuth2Session:
    """Return a session for one person's sign-in: nothing is shared between two."""
    session = OAuth2Session(provider.client_id, redirect_uri=provider.redirect_uri, scope=scope)
    session.trust_env = False  # no proxies, certificates or passwords from the environment
    session.max_redirects = 0
    session.headers.update({"Accept": "application/json", "User-Agent": "Delinkcious"})
    for url in (provider.token_url, provider.api_url):
        parts = urlsplit(url)
        session.mount(f"https://{parts.netloc}/", _Adapter(url))
    session.register_compliance_hook("access_token_response", _check_token_response)
    return session


def _check_token_response(response: requests.Response) -> requests.Response:
    """Keep from oauthlib (4.0) what would confuse it: neither token nor error, or no texts."""
    if response.status_code != 400:  # RFC 6749 answers errors with 400, GitHub with 200
        response.raise_for_status()
    try:
        answer = response.json()
    except requests.JSONDecodeError:  # GitHub's older way, which oauthlib reads too
        answer = dict(parse_qsl(response.text, max_num_fields=100))
    if not isinstance(answer, dict) or not (answer.get("access_token") or "error" in answer):
        raise ValueError("neither a token nor an error")
    for name, kind in TOKEN_FIELDS.items():
        if name in answer and not isinstance(answer[name], kind):
            raise ValueError(f"{name} of another type")
    if answer.get("token_type", "bearer").lower() != "bearer":
        raise ValueError("a token that cannot be borne")
    return response


def _as_https(url: str) -> str:
    return urlsplit(url)._replace(scheme="https").geturl()


def _with_scheme(url: str, configured_url: str) -> str:
    return urlsplit(url)._replace(scheme=urlsplit(configured_url).scheme).geturl()
