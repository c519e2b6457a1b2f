"""Who follows whom."""

from typing import Any

from chassis.errors import AlreadyExists, NotFound
from gateway import answers, clients, parameters
from gateway.answers import DONE
from gateway.api import Call, api


class People:
    """Follow people, and see who follows."""

    users: Any
    social_graph: Any

    @api("GET", "followers", scope="read", takes=parameters.Page, answers=answers.FollowersPage)
    def get_followers(self, call: Call[parameters.Page]) -> answers.FollowersPage:
        """List who follows the caller."""
        return answers.followers(self.social_graph.get_followers(call.username, **call.params))

    @api("GET", "following", scope="read", takes=parameters.Page, answers=answers.FollowingPage)
    def get_following(self, call: Call[parameters.Page]) -> answers.FollowingPage:
        """List whom the caller follows."""
        return answers.following(self.social_graph.get_following(call.username, **call.params))

    @api(
        *("POST", "following"),
        scope="write",
        takes=parameters.Followed,
        refuses=(NotFound("no_such_user"), AlreadyExists("already_following")),
        keyed=True,
    )
    def follow(self, call: Call[parameters.Followed]) -> answers.Done:
        """Follow somebody, whose name may be written in any case."""
        followed = clients.known_user(self.users, call.params["followed"])
        self.social_graph.follow(call.username, followed, call.idempotency_key)
        return DONE

    @api(
        *("DELETE", "following"),
        scope="write",
        takes=parameters.Followed,
        refuses=(NotFound("not_following"),),
    )
    def unfollow(self, call: Call[parameters.Followed]) -> answers.Done:
        """Follow somebody no more."""
        followed = clients.spelling(self.users, call.params["followed"])
        self.social_graph.unfollow(call.username, followed)
        return DONE
