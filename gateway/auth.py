"""Who calls: the access token of a request, and the user whom it belongs to."""

import re
from typing import Any

from werkzeug.wrappers import Request

from chassis import errors

CALLER = "gateway.caller"  # where a request keeps who sent it, once that is known
_TOKEN = re.compile(r"[!-~]{1,512}")


def caller(request: Request, users: Any, scope: str) -> str:
    """Return the name of the user whose token the request carries; ``users`` is user_svc.

    ``scope`` is what the token must be good for. Raises ``access_denied``. No parameter ever
    names the caller.
    """
    username: str = users.verify_token(token(request))["username"]
    request.environ[CALLER] = username
    return username


def is_anonymous(request: Request) -> bool:
    """Tell whether the request does not even try to say who calls."""
    return not {"Access-Token", "Authorization"} & set(request.headers.keys())


def token(request: Request) -> str:
    """Return the request's access token, from one of its two headers and nowhere else.

    Raises ``access_denied`` where there is none, where the two differ, and where user_svc need
    not be asked whether it is one.
    """
    given = {request.headers.get("Access-Token", "").strip(), _bearer(request)} - {""}
    if len(given) == 1 and _TOKEN.fullmatch(only := given.pop()):
        return only
    raise errors.Unauthenticated("access_denied", "Access Denied!")


def _bearer(request: Request) -> str:
    scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""
