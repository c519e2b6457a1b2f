"""What is asked of an identity provider, whichever it is: within bounds, and in our own words."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

import eventlet
import requests
import urllib3
from oauthlib.oauth2 import OAuth2Error
from requests.adapters import HTTPAdapter
from requests_oauthlib import OAuth2Session

from chassis import errors
from gateway.sign_in.providers import Application, Ticket

_log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 1024 * 1024
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


class TooManyRequests(Exception):
    """The provider wants to be left alone for a while."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
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
    except TooManyRequests:
        _log.warning("the identity provider has had too many requests of ours")
        raise errors.Unavailable(
            "identity_provider_busy", "The identity provider asks us to wait: try again later."
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
        request.url = with_scheme(str(request.url), self.configured_url)
        response = super().send(request, *args, **kwargs | {"stream": True})
        body = response.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True)
        response.raw.close()
        if len(body) > MAX_ANSWER_BYTES:
            raise requests.exceptions.ContentDecodingError("the answer is too long")
        response.raw = io.BytesIO(body)
        response.encoding = response.encoding or "utf-8"
        return response


def session(application: Application, *urls: str, scope: str | None = None) -> OAuth2Session:
    """Return a session for one person's sign-in, for these addresses: nothing is shared."""
    made = OAuth2Session(application.client_id, redirect_uri=application.redirect_uri, scope=scope)
    made.trust_env = False  # no proxies, certificates or passwords from the environment
    made.max_redirects = 0
    made.headers.update({"Accept": "application/json", "User-Agent": "Delinkcious"})
    for url in urls:
        made.mount(f"https://{urlsplit(url).netloc}/", _Adapter(url))
    made.register_compliance_hook("access_token_response", _check_token_response)
    return made


def page(application: Application, url: str, scope: str, ticket: Ticket, **more: str) -> str:
    """Return the provider's page at which a browser shall sign in."""
    with session(application, scope=scope) as asking:
        address, _ = asking.authorization_url(
            as_https(url),
            state=ticket.state,
            code_challenge=ticket.challenge,
            code_challenge_method="S256",
            **more,
        )
    return with_scheme(address, url)


def read(asking: OAuth2Session, url: str, **options: Any) -> requests.Response:
    """Ask for one address of a provider; raise where it wants us to wait."""
    answer = asking.get(as_https(url), **options)
    if _wants_rest(answer):
        raise TooManyRequests
    return answer


def _check_token_response(response: requests.Response) -> requests.Response:
    """Keep from oauthlib (4.0) what would confuse it: neither token nor error, or no texts."""
    if _wants_rest(response):
        raise TooManyRequests
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


def _wants_rest(response: requests.Response) -> bool:
    """GitHub's limits: 429, or 403 with nothing remaining or a time after which to come again."""
    spent = response.headers.get("X-RateLimit-Remaining") == "0"
    return response.status_code == 429 or (
        response.status_code == 403 and (spent or "Retry-After" in response.headers)
    )


def as_https(url: str) -> str:
    """Return the address as oauthlib wants to see it; what is spoken is the configured scheme."""
    return urlsplit(url)._replace(scheme="https").geturl()


def with_scheme(url: str, configured_url: str) -> str:
    """Return the address with the scheme of another."""
    return urlsplit(url)._replace(scheme=urlsplit(configured_url).scheme).geturl()
