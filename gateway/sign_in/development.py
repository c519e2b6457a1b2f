"""The development identity provider: GitHub's endpoints on this machine, where anyone is anyone.

It runs inside the gateway, on 127.0.0.1 alone, when no GitHub application is configured and only
in development. A person types a name on its page; a program posts ``login`` to the same address::

    curl -d login=alice "$ADDRESS_THAT_LOGIN_REDIRECTED_TO"

It is as strict about the flow as GitHub: client, exact redirect address, PKCE, codes good for
one use within a minute.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from werkzeug.exceptions import BadRequest, HTTPException, Unauthorized
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from gateway import pages

CLIENT_ID = "delinkcious-development"
CLIENT_SECRET = "nobody-checks-who-you-are"  # noqa: S105 - nobody keeps it
HOST = "127.0.0.1"
LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
GRANT_SECONDS = 60
GRANTS = 1000

T = TypeVar("T")


def person(login: str) -> dict[str, Any]:
    """Return the profile of whoever typed this name; the id is always the same for it."""
    digest = hashlib.sha256(login.lower().encode()).digest()
    return {
        "login": login,
        "id": int.from_bytes(digest[:6]),  # 48 bits: exact in any JSON reader
        "name": login,
        "email": None,
        "type": "User",
    }


class Grants(Generic[T]):
    """What has been handed out lately, by random key; the oldest make room for the newest."""

    def __init__(self) -> None:
        self._grants: dict[str, tuple[float, T]] = {}

    def issue(self, value: T) -> str:
        """Keep the value for a minute, and return its key."""
        while len(self._grants) >= GRANTS:
            del self._grants[next(iter(self._grants))]
        key = secrets.token_urlsafe(24)
        self._grants[key] = (time.monotonic() + GRANT_SECONDS, value)
        return key

    def look(self, key: str) -> T | None:
        """Return the value, if the key is good."""
        expires, value = self._grants.get(key, (0.0, None))
        return value if time.monotonic() < expires else None

    def take(self, key: str) -> T | None:
        """Return the value, if the key is good; it is good only once."""
        value = self.look(key)
        self._grants.pop(key, None)
        return value


@dataclass(frozen=True)
class Code:
    """What a code stands for until it is exchanged."""

    login: str
    challenge: str


class LocalRequest(Request):
    """A request that was meant for this machine, and is small."""

    trusted_hosts = ["localhost", HOST]
    max_content_length = 16 * 1024


class Application:
    """The four endpoints, as WSGI."""

    urls = Map(
        [
            Rule("/login/oauth/authorize", endpoint="ask", methods=["GET"]),
            Rule("/login/oauth/authorize", endpoint="authorize", methods=["POST"]),
            Rule("/login/oauth/access_token", endpoint="access_token", methods=["POST"]),
            Rule("/user", endpoint="user", methods=["GET"]),
            Rule("/user/emails", endpoint="emails", methods=["GET"]),
        ]
    )

    def __init__(self, public_url: str, redirect_uri: str) -> None:
        self.public_url = public_url
        self.redirect_uri = redirect_uri
        self.codes: Grants[Code] = Grants()
        self.tokens: Grants[str] = Grants()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        request = LocalRequest(environ)
        try:
            endpoint, _ = self.urls.bind(request.host).match(request.path, request.method)
            response = getattr(self, endpoint)(request)
        except HTTPException as exc:
            response = Response(f"{exc.description}\n", exc.code, mimetype="text/plain")
        response.headers["Cache-Control"] = "no-store"
        return response(environ, start_response)

    def ask(self, request: Request) -> Response:
        """Show the page on which one types a name."""
        self._check(request)
        return pages.identity(self.public_url, request.args.get("login", ""))

    def authorize(self, request: Request) -> Response:
        """Send the browser back with a code for the name that was typed."""
        self._check(request)
        login = request.form.get("login", "").strip()
        if request.form.get("decision") == "deny":
            return self._back(request, error="access_denied")
        if not LOGIN.fullmatch(login):
            wrong = "A name has letters, digits, - and _, begins with a letter or digit, up to 64."
            return pages.identity(self.public_url, login, wrong)
        code = self.codes.issue(Code(login, request.args["code_challenge"]))
        return self._back(request, code=code)

    def access_token(self, request: Request) -> Response:
        """Exchange a code for a token; errors have status 200, as GitHub's have."""
        form = request.form
        code = self.codes.take(form.get("code", ""))
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return _json({"error": "incorrect_client_credentials"})
        if form.get("redirect_uri") != self.redirect_uri:
            return _json({"error": "redirect_uri_mismatch"})
        challenge = _challenge(form.get("code_verifier", ""))
        if code is None or not hmac.compare_digest(code.challenge.encode(), challenge.encode()):
            return _json({"error": "bad_verification_code"})
        token = self.tokens.issue(code.login)
        return _json({"access_token": token, "token_type": "bearer", "scope": ""})

    def user(self, request: Request) -> Response:
        """Answer who the bearer is."""
        return _json(person(self._bearer(request)))

    def emails(self, request: Request) -> Response:
        """Answer the bearer's address: one to which nothing can ever be sent (RFC 2606)."""
        email = f"{self._bearer(request).lower()}@development.invalid"
        return _json([{"email": email, "primary": True, "verified": True}])

    def _check(self, request: Request) -> None:
        """Refuse what GitHub refuses without sending the browser anywhere."""
        args = request.args
        if args.get("client_id") != CLIENT_ID or args.get("redirect_uri") != self.redirect_uri:
            raise BadRequest("client_id or redirect_uri is not that of this gateway.")
        if args.get("code_challenge_method") != "S256" or not args.get("code_challenge"):
            raise BadRequest("A code_challenge with the method S256 is needed.")

    def _back(self, request: Request, **answer: str) -> Response:
        query = urlencode(answer | {"state": request.args.get("state", "")})
        return Response(status=302, headers={"Location": f"{self.redirect_uri}?{query}"})

    def _bearer(self, request: Request) -> str:
        given = request.authorization
        login = self.tokens.look(given.token or "") if given else None
        if login is None:
            raise Unauthorized("Bad credentials")
        return login


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _json(value: Any) -> Response:
    response = Response(mimetype="application/json")
    response.set_data(json.dumps(value))
    return response
