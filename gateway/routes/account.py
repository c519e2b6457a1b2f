"""The caller's own account, and the tokens that speak for them."""

from typing import Any

from chassis.errors import InvalidInput, LimitExceeded, NotFound
from gateway import account, audit
from gateway.answers import DONE, Done
from gateway.api import Call, api
from gateway.parameters import Nothing, Preferences


class Account:
    """See and remove one's account; make, list and end tokens."""

    users: Any
    links: Any

    @api("GET", "me", scope="read", answers=account.Me)
    def get_me(self, call: Call[Nothing]) -> account.Me:
        """Tell who calls, and by which token."""
        default = self.links.get_default_visibility(call.username)
        return account.me(self.users.get_profile(call.username), default, call.caller)

    @api("PUT", "me", scope="write", takes=Preferences)
    def update_me(self, call: Call[Preferences]) -> Done:
        """Choose who may see the links that the caller saves from now on without a visibility."""
        self.links.set_default_visibility(call.username, call.params["default_visibility"])
        return DONE

    @api(
        *("DELETE", "me"),
        scope="account",
        takes=account.Leaving,
        refuses=(InvalidInput("not_confirmed"),),
    )
    def delete_me(self, call: Call[account.Leaving]) -> Done:
        """Remove the caller: links, follows, news, tokens; there is no way back."""
        self.users.remove_user(call.username, call.params["confirm"])
        audit.record("account_removed", call.request, call.caller)
        return DONE

    @api("GET", "tokens", scope="account", answers=account.Tokens)
    def get_tokens(self, call: Call[Nothing]) -> account.Tokens:
        """List the caller's tokens and sessions; never a secret."""
        return account.tokens(self.users.get_tokens(call.username), call.caller)

    @api(
        *("POST", "tokens"),
        scope="account",
        takes=account.NewToken,
        answers=account.MadeToken,
        refuses=(
            InvalidInput("invalid_scopes"),
            InvalidInput("invalid_expiry"),
            LimitExceeded("too_many_tokens"),
        ),
    )
    def add_token(self, call: Call[account.NewToken]) -> account.MadeToken:
        """Make a personal access token; the answer alone has its secret."""
        made = self.users.add_token(call.username, call.params)
        facts = {"made_id": made["id"], "scopes": ",".join(made["scopes"])}
        audit.record("token_made", call.request, call.caller, **facts)
        return account.made(made, call.caller)

    @api(
        *("DELETE", "tokens"),
        scope="account",
        takes=account.WhichTokens,
        refuses=(InvalidInput("missing_id"), NotFound("no_such_token")),
    )
    def delete_tokens(self, call: Call[account.WhichTokens]) -> Done:
        """End one token or session by its id, or all of a kind: that signs out everywhere."""
        kind, token_id = call.params.get("kind"), call.params.get("id", "")
        if kind and not token_id:
            count = self.users.delete_tokens(call.username, kind)
            facts = {"kind": kind, "count": count}
        else:
            kind = self.users.delete_token(call.username, token_id)
            facts = {"kind": kind, "ended_id": token_id}
        audit.record("token_revoked", call.request, call.caller, **facts)
        return DONE
