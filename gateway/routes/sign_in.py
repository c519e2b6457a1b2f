"""Signing in and out."""

import json
from typing import Any

from werkzeug.wrappers import Response

from chassis.errors import DeadlineExceeded, InvalidInput, PermissionDenied
from gateway import answers, auth, oauth, pages, parameters
from gateway.api import Body, Call, route

_OK = Body("OK: the token is good for nothing now.", media=("text/plain",))


class SignIn:
    """Let people in and out."""

    public_url: str
    users: Any
    sign_in: oauth.SignIn

    @route(
        *("GET", "/login"),
        scope=None,
        takes=parameters.Login,
        reads=False,
        answers=Body("To the identity provider.", status=302, media=("text/html",)),
    )
    @pages.explained
    def login(self, call: Call[parameters.Login]) -> Response:
        """Send the caller to the identity provider."""
        return self.sign_in.depart(call.request)

    @route(
        *("GET", "/login/authorized"),
        scope=None,
        takes=parameters.Authorization,
        reads=False,
        answers=Body(
            "Who has signed in: the provider's profile, and our name and token for them.",
            media=("application/json", "text/html"),
            schema=answers.SignedIn,
        ),
        refuses=(
            InvalidInput("invalid_state"),
            InvalidInput("invalid_code"),
            PermissionDenied("sign_in_cancelled"),
            DeadlineExceeded("identity_provider_timeout"),
        ),
        timeout_key="SIGN_IN_TIMEOUT_SECONDS",
    )
    @pages.explained
    def login_authorized(self, call: Call[parameters.Authorization]) -> Response:
        """Give a token to whom the identity provider sends back."""
        arrival = self.sign_in.arrive(call.request)
        signed_in = answers.signed_in(arrival.profile, self.users.sign_in(arrival.identity))
        if pages.wanted(call.request):
            page = pages.signed_in(self.public_url, signed_in, arrival.next)
            return self.sign_in.forget(page)
        body = json.dumps(signed_in) + "\n"
        return self.sign_in.forget(Response(body, mimetype="application/json"))

    @route("GET", "/logout", scope="account", answers=_OK)
    def logout_by_link(self, call: Call[parameters.Nothing]) -> Response:
        """Make the caller's token good for nothing."""
        return self._log_out(call)

    @route("POST", "/logout", scope="account", answers=_OK)
    def logout(self, call: Call[parameters.Nothing]) -> Response:
        """Make the caller's token good for nothing."""
        return self._log_out(call)

    def _log_out(self, call: Call[parameters.Nothing]) -> Response:
        self.users.revoke_token(auth.token(call.request))
        return Response("OK", mimetype="text/plain")
