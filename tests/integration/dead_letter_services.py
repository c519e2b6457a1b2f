"""news_svc of a release that has not heard of updates, and the social graph that it asks."""

from typing import Any

from nameko.rpc import rpc

from chassis.errors import InvalidInput
from news_svc import schemas
from news_svc.service import NewsService

__all__ = ["Graph", "NewsService"]

read = schemas.published


def read_no_updates(event: Any, sequence: int) -> Any:
    if event.type == "link.updated":
        raise InvalidInput("unknown_event_type", "Nobody here reads it, says password=hush4711.")
    return read(event, sequence)


schemas.published = read_no_updates


class Graph:
    """Bob follows ann, as everybody knows."""

    name = "social_graph_svc"

    @rpc
    def get_followers(self, username: str, start_token: str, page_size: int) -> dict[str, Any]:
        return {"usernames": ["bob"] if username == "ann" else [], "next_token": ""}

    @rpc
    def get_following(self, username: str, start_token: str, page_size: int) -> dict[str, Any]:
        return {"usernames": ["ann"] if username == "bob" else [], "next_token": ""}
