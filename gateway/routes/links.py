"""The caller's links."""

from typing import Any

from chassis.errors import AlreadyExists, LimitExceeded, NotFound, PreconditionFailed
from gateway import answers, parameters
from gateway.answers import DONE
from gateway.api import Call, api

_LINK_CHANGED = PreconditionFailed("link_changed")
_LINK_EXISTS = AlreadyExists("link_exists")
_NEXT = {"start_token": "$response.body#/next_token"}
_IT = {"url": "$request.body#/url"}
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
        *("GET", "link"),
        scope="read",
        takes=parameters.LinkName,
        answers=answers.OneLink,
        refuses=(_NO_SUCH_LINK,),
        leads={"delete_link": {"url": "$request.query.url"}},
    )
    def get_link(self, call: Call[parameters.LinkName]) -> answers.Tagged:
        """Show one link; the ETag is its version, for If-Match."""
        link = self.links.get_link(call.username, call.params["url"])
        return answers.tagged({"err": "", "link": answers.link(link)}, link)

    @api(
        *("POST", "links"),
        scope="write",
        takes=parameters.NewLink,
        refuses=(_LINK_EXISTS, LimitExceeded("too_many_links")),
        leads={"get_link": _IT, "delete_link": _IT},
        keyed=True,
    )
    def add_link(self, call: Call[parameters.NewLink]) -> answers.Tagged:
        """Save a link; the ETag is its version. What is there already is left as it is."""
        link = self.links.add_link(call.username, call.params, call.idempotency_key)
        return answers.tagged(DONE, link)

    @api(
        *("POST", "links/bulk"),
        scope="write",
        takes=parameters.LinkBatch,
        answers=answers.ChangeResults,
        keyed=True,
    )
    def change_links(self, call: Call[parameters.LinkBatch]) -> answers.ChangeResults:
        """Add, change and delete many links: each is done, or refused, by itself.

        The changes are made in their order, and committed together.
        """
        changes = call.params["changes"]
        results = self.links.change_links(call.username, changes, call.idempotency_key)
        return answers.change_results(results)

    @api(
        *("PUT", "links"),
        scope="write",
        takes=parameters.LinkChanges,
        refuses=(_NO_SUCH_LINK, _LINK_CHANGED),
        conditional=True,
    )
    def update_link(self, call: Call[parameters.LinkChanges]) -> answers.Tagged:
        """Change a link; the ETag is its new version."""
        link = self.links.update_link(call.username, call.params, call.versions)
        return answers.tagged(DONE, link)

    @api(
        *("DELETE", "links"),
        scope="write",
        takes=parameters.LinkName,
        refuses=(_NO_SUCH_LINK, _LINK_CHANGED),
        conditional=True,
    )
    def delete_link(self, call: Call[parameters.LinkName]) -> answers.Done:
        """Delete a link."""
        self.links.delete_link(call.username, call.params["url"], call.versions)
        return DONE
