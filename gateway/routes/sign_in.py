"""Signing in and out."""

import json
from typing import Any

from werkzeug.wrappers import Request, Response

from chassis.errors import DeadlineExceeded, InvalidInput, PermissionDenied, ServiceError
from gateway import answers, audit, auth, pages, parameters
from gateway.api import Body, Call, route
from gateway.sign_in import flow

_OK = Body("OK: the token is good for nothing now.", media=("text/plain",))


def _authorized(path: str) -> Any:
    """Declare where a provider sends people back to; each has its own (RFC 9700, 4.4)."""
    return route(
        *("GET", path),
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
            InvalidInput("invalid_provider"),
            PermissionDenied("sign_in_cancelled"),
            PermissionDenied("not_admitted"),
            PermissionDenied("sign_up_closed"),
            DeadlineExceeded("identity_provider_timeout"),
        ),
        timeout_key="SIGN_IN_TIMEOUT_SECONDS",
    )


class SignIn:
    """Let people in and out."""

    public_url: str
    users: Any
    sign_in: flow.SignIn

    @route(
        *("GET", "/login"),
        scope=None,
        takes=parameters.Login,
        reads=False,
        answers=Body("To the identity provider.", status=302, media=()),
        refuses=(InvalidInput("invalid_provider"),),
    )
    @pages.explained
    def login(self, call: Call[parameters.Login]) -> Response:
        """Send the caller to the identity provider."""
        return self.sign_in.depart(call.request)

    @_authorized("/login/authorized")
    def login_authorized(self, call: Call[parameters.Authorization]) -> Response:
        """Give a token to whom the identity provider sends back; good or not, it is over then."""
        return self.sign_in.forget(self._welcome(call, ""))

    @_authorized("/login/authorized/oidc")
    def login_authorized_by_oidc(self, call: Call[parameters.Authorization]) -> Response:
        """Give a token to whom the OpenID provider sends back."""
        return self.sign_in.forget(self._welcome(call, "oidc"))

    @pages.explained
    def _welcome(self, call: Call[parameters.Authorization], provider: str) -> Response:
        arrival, user = self._let_in(call.request, provider)
        signed_in = answers.signed_in(arrival.profile, user)
        if pages.wanted(call.request):
            return pages.signed_in(self.public_url, signed_in, arrival.next)
        return Response(json.dumps(signed_in) + "\n", mimetype="application/json")

    @route("GET", "/logout", scope="any", answers=_OK)
    def logout_by_link(self, call: Call[parameters.Nothing]) -> Response:
        """Make the caller's token good for nothing."""
        return self._log_out(call)

    @route("POST", "/logout", scope="any", answers=_OK)
    def logout(self, call: Call[parameters.Nothing]) -> Response:
        """Make the caller's token good for nothing."""
        return self._log_out(call)

    def _let_in(self, request: Request, provider: str) -> tuple[flow.Arrival, dict[str, Any]]:
        try:
            arrival = self.sign_in.arrive(request, provider)
            result: dict[str, Any] = self.users.sign_in(arrival.identity, arrival.ticket)
        except ServiceError as error:
            audit.record("sign_in_failed", request, outcome="failed", reason=error.code)
            raise
        actor = auth.Caller(result["username"], result.get("token_id", ""))
        audit.record("signed_in", request, actor, provider=arrival.identity["provider"])
        return arrival, result

    def _log_out(self, call: Call[parameters.Nothing]) -> Response:
        self.users.revoke_token(auth.token(call.request))
        audit.record("signed_out", call.request, call.caller, kind=call.caller.kind)
        return Response("OK", mimetype="text/plain")
