"""Whom the caller has blocked, and what others see of them."""

from typing import Any

from chassis.errors import AlreadyExists, NotFound
from gateway import answers, audit, clients, parameters
from gateway.answers import DONE
from gateway.api import Call, api


class Blocks:
    """Block people: they cannot follow, find or be followed by the caller."""

    users: Any
    links: Any
    social_graph: Any

    @api("GET", "blocked", scope="read", takes=parameters.Page, answers=answers.BlockedPage)
    def get_blocked(self, call: Call[parameters.Page]) -> answers.BlockedPage:
        """List whom the caller has blocked."""
        return answers.blocked(self.social_graph.get_blocked(call.username, **call.params))

    @api(
        *("POST", "blocked"),
        scope="write",
        takes=parameters.Blocked,
        refuses=(NotFound("no_such_user"), AlreadyExists("already_blocked")),
        keyed=True,
    )
    def block(self, call: Call[parameters.Blocked]) -> answers.Done:
        """Block somebody: neither follows the other any more, and they do not find the caller."""
        blocked = clients.known_user(self.users, call.params["blocked"], "blocked")
        self.social_graph.block(call.username, blocked, call.idempotency_key)
        audit.record("blocked", call.request, call.caller, blocked=blocked)
        return DONE

    @api(
        *("DELETE", "blocked"),
        scope="write",
        takes=parameters.Blocked,
        refuses=(NotFound("not_blocked"),),
    )
    def unblock(self, call: Call[parameters.Blocked]) -> answers.Done:
        """Block somebody no more; nobody follows anybody for that."""
        blocked = clients.spelling(self.users, call.params["blocked"])
        self.social_graph.unblock(call.username, blocked)
        audit.record("unblocked", call.request, call.caller, blocked=blocked)
        return DONE
