"""People's pages, as much of them as the caller may see."""

from typing import Any

from chassis.errors import NotFound
from gateway import answers, parameters, sight
from gateway.api import Call, api

_NO_SUCH_USER = NotFound("no_such_user")


class Profiles:
    """Look at somebody, and at their links."""

    users: Any
    links: Any
    social_graph: Any
    anonymous_readers: bool

    @api(
        *("GET", "users/{name}"),
        scope="read",
        anonymous=True,
        takes=parameters.Person,
        answers=answers.Profile,
        refuses=(_NO_SUCH_USER,),
        leads={"get_links_of": {"name": "$response.body#/user/Username"}},
    )
    def get_user(self, call: Call[parameters.Person]) -> answers.Profile:
        """Tell who somebody is, and how many links and people there are around them.

        Who has blocked the caller is not there for them.
        """
        viewer, name = call.username, call.params["name"]
        user, profile = sight.find(self.users, self.social_graph.get_profile, viewer, name)
        audience = sight.audience(viewer, user, profile)
        return answers.profile(user, self.links.count_links(user["username"], audience), profile)

    @api(
        *("GET", "users/{name}/links"),
        scope="read",
        anonymous=True,
        takes=parameters.LinksOfQuery,
        answers=answers.LinkPage,
        refuses=(_NO_SUCH_USER,),
        leads={
            "get_links_of": {
                "name": "$request.path.name",
                "start_token": "$response.body#/next_token",
            }
        },
    )
    def get_links_of(self, call: Call[parameters.LinksOfQuery]) -> answers.LinkPage:
        """List somebody's links, filtered: those that the caller may see."""
        viewer, name = call.username, call.params["name"]
        user, relation = sight.find(self.users, self.social_graph.get_relation, viewer, name)
        audience = sight.audience(viewer, user, relation)
        return answers.links(self.links.get_links(user["username"], call.params, audience))
