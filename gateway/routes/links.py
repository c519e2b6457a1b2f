"""The caller's links."""

from typing import Any

from chassis.errors import AlreadyExists, LimitExceeded, NotFound
from gateway import answers, parameters
from gateway.answers import DONE
from gateway.api import Call, api

_LINK_EXISTS = AlreadyExists("link_exists")
_NEXT = {"start_token": "$response.body#/next_token"}
_NO_SUCH_LINK = NotFound("no_such_link")


class Links:
    """Save links, list them, change them and delete them."""

    links: Any

    @api(
        *("GET", "links"),
        scope="read",
        takes=parameters.LinkQuery,
        answers=answers.LinkPage,
        leads={"get_links": _NEXT},
    )
    def get_links(self, call: Call[parameters.LinkQuery]) -> answers.LinkPage:
        """List the caller's links, filtered."""
        return answers.links(self.links.get_links(call.username, call.params))

    @api(
        *("POST", "links"),
        scope="write",
        takes=parameters.NewLink,
        refuses=(_LINK_EXISTS, LimitExceeded("too_many_links")),
        leads={"delete_link": {"url": "$request.body#/url"}},
    )
    def add_link(self, call: Call[parameters.NewLink]) -> answers.Done:
        """Save a link."""
        self.links.add_link(call.username, call.params)
        return DONE

    @api(
        *("PUT", "links"),
        scope="write",
        takes=parameters.LinkChanges,
        refuses=(_NO_SUCH_LINK,),
    )
    def update_link(self, call: Call[parameters.LinkChanges]) -> answers.Done:
        """Change a link."""
        self.links.update_link(call.username, call.params)
        return DONE

    @api(
        *("DELETE", "links"),
        scope="write",
        takes=parameters.LinkName,
        refuses=(_NO_SUCH_LINK,),
    )
    def delete_link(self, call: Call[parameters.LinkName]) -> answers.Done:
        """Delete a link."""
        self.links.delete_link(call.username, call.params["url"])
        return DONE
