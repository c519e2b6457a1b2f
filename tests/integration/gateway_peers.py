"""The services behind the gateway, as far as its process can tell: they answer over the bus.

``mallory``'s calls never end, so that a test sees a peer that hangs.
"""

from typing import Any

import eventlet
from nameko.rpc import rpc

from chassis import errors
from chassis.errors import ServiceError

TOKENS: dict[str, str] = {"dlk_mallory": "mallory"}


class Users:
    name = "user_svc"

    @rpc(expected_exceptions=ServiceError)
    def sign_in(self, identity: dict[str, str], ticket: str = "") -> dict[str, str]:
        username = identity["login"].lower()
        token = f"dlk_{username}_{len(TOKENS)}"
        TOKENS[token] = username
        return {
            "username": username,
            "name": identity["name"],
            "email": identity["email"],
            "access_token": token,
            "expires_at": "2099-12-22T10:34:00.000000Z",
        }

    @rpc(expected_exceptions=ServiceError)
    def verify_token(self, access_token: str) -> dict[str, str]:
        if access_token not in TOKENS:
            raise errors.Unauthenticated("access_denied", "Access Denied!")
        return {"username": TOKENS[access_token], "expires_at": "2099-12-22T10:34:00.000000Z"}

    @rpc(expected_exceptions=ServiceError)
    def revoke_token(self, access_token: str) -> None:
        TOKENS.pop(access_token, None)

    @rpc(expected_exceptions=ServiceError)
    def get_user(self, username: str) -> dict[str, str]:
        if username.lower() not in TOKENS.values():
            raise errors.NotFound("no_such_user", "There is no such user.", "username")
        return {"username": username.lower(), "name": ""}


class Links:
    name = "link_svc"

    @rpc(expected_exceptions=ServiceError)
    def get_links(self, username: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        if username == "mallory":
            eventlet.sleep(60)
        return {"links": [], "next_token": ""}

    @rpc(expected_exceptions=ServiceError)
    def add_link(self, username: str, link: dict[str, Any], key: str) -> dict[str, Any]:
        if not link.get("url"):
            raise errors.InvalidInput("missing_url", "The URL is missing.", "url")
        raise errors.AlreadyExists("link_exists", "You have this link already.", "url")
