"""Who calls: the access token of a request, and the user whom it belongs to."""

import re
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request

from chassis import errors
from gateway import audit

CALLER = "gateway.caller"  # where a request keeps who sent it, once that is known
_TOKEN = re.compile(r"[!-~]{1,512}")


# What a token of a release without scopes is good for: all of them were sessions.
_ALL_SCOPES = ("read", "write", "account")


@dataclass(frozen=True)
class Caller:
    """Who calls, and the token that speaks for them: by its id, never the token itself."""

    username: str
    token_id: str = ""
    kind: str = "session"
    scopes: tuple[str, ...] = _ALL_SCOPES
    expires_at: str = ""


NOBODY = Caller("")


def caller(request: Request, users: Any, scope: str) -> Caller:
    """Return the user whose token the request carries; ``users`` is user_svc.

    ``scope`` is what the token must be good for, or ``any``. Raises ``access_denied``, or
    ``write_scope_needed`` and the like. No parameter ever names the caller.
    """
    grant = _grant(request, users)
    found = Caller(
        grant["username"],
        grant.get("token_id", ""),
        grant.get("kind", "session"),
        tuple(grant.get("scopes", _ALL_SCOPES)),
        grant["expires_at"],
    )
    request.environ[CALLER] = found.username
    if scope != "any" and scope not in found.scopes:
        audit.record("scope_refused", request, found, outcome="refused", scope=scope)
        raise _scope_needed(scope)
    return found


def _grant(request: Request, users: Any) -> dict[str, Any]:
    try:
        grant: dict[str, Any] = users.verify_token(token(request))
    except errors.Unauthenticated as error:
        # RFC 6750, section 3.1: whoever brought no token is told of no error.
        error.challenge = "Bearer" if is_anonymous(request) else 'Bearer error="invalid_token"'
        raise
    return grant


def _scope_needed(scope: str) -> errors.PermissionDenied:
    needed = "a session: sign in" if scope == "account" else f"a token with the scope {scope}"
    error = errors.PermissionDenied(f"{scope}_scope_needed", f"This needs {needed}.")
    error.challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
    return error


def is_anonymous(request: Request) -> bool:
    """Tell whether the request does not even try to say who calls."""
    return not ("HTTP_ACCESS_TOKEN" in request.environ or "HTTP_AUTHORIZATION" in request.environ)


def token(request: Request) -> str:
    """Return the request's access token, from one of its two headers and nowhere else.

    Raises ``access_denied`` where there is none, where the two differ, and where user_svc need
    not be asked whether it is one.
    """
    # By the environ: Werkzeug (3.1) makes an exception of each header that is not there.
    environ = request.environ
    given = environ.get("HTTP_ACCESS_TOKEN", "").strip()
    if "HTTP_AUTHORIZATION" in environ:
        bearer = _bearer(environ["HTTP_AUTHORIZATION"])
        given = given if bearer in ("", given) else "" if given else bearer
    if _TOKEN.fullmatch(given):
        return given
    raise errors.Unauthenticated("access_denied", "Access Denied!")


def _bearer(authorization: str) -> str:
    scheme, _, value = authorization.strip().partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""
