"""What the gateway asks of the other services is what they offer, by name and argument."""

import inspect
from typing import Any

import pytest
from nameko.extensions import ENTRYPOINT_EXTENSIONS_ATTR
from nameko.rpc import Rpc

from gateway import service
from gateway.clients import News
from link_svc.service import LinkService
from protos import news_pb2
from social_graph_svc.service import SocialGraphService
from user_svc.service import UserService

CALLS: list[tuple[type, str, tuple[Any, ...], dict[str, Any]]] = [
    (UserService, "sign_in", ({},), {}),
    (UserService, "verify_token", ("token",), {}),
    (UserService, "revoke_token", ("token",), {}),
    (UserService, "get_user", ("alice",), {}),
    (LinkService, "add_link", ("alice", {}, "key"), {}),
    (LinkService, "change_links", ("alice", [{}], "key"), {}),
    (LinkService, "update_link", ("alice", {}, ["version"]), {}),
    (LinkService, "delete_link", ("alice", "url", ["version"]), {}),
    (LinkService, "get_link", ("alice", "url"), {}),
    (LinkService, "get_links", ("alice", {}), {}),
    (LinkService, "get_links", ("nobody",), {}),
    (LinkService, "get_links", ("alice", {}, "follower"), {}),
    (LinkService, "export_links", ("alice", "html", ""), {}),
    (LinkService, "count_links", ("alice", "follower"), {}),
    (LinkService, "get_default_visibility", ("alice",), {}),
    (LinkService, "set_default_visibility", ("alice", "private"), {}),
    (SocialGraphService, "block", ("alice", "bob"), {}),
    (SocialGraphService, "unblock", ("alice", "bob"), {}),
    (SocialGraphService, "get_blocked", ("alice",), {"start_token": "", "page_size": 10}),
    (SocialGraphService, "get_relation", ("", "bob"), {}),
    (SocialGraphService, "get_profile", ("alice", "bob"), {}),
    (SocialGraphService, "follow", ("alice", "bob"), {}),
    (SocialGraphService, "unfollow", ("alice", "bob"), {}),
    (SocialGraphService, "get_followers", ("alice",), {"start_token": "", "page_size": 10}),
    (SocialGraphService, "get_following", ("alice",), {"start_token": "", "page_size": 10}),
    (SocialGraphService, "get_following", ("nobody",), {}),
]


@pytest.mark.parametrize(("peer", "method", "args", "kwargs"), CALLS)
def test_peer_offers_what_the_gateway_calls(
    peer: type, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    handler = getattr(peer, method)
    inspect.signature(handler).bind(None, *args, **kwargs)
    entrypoints = getattr(handler, ENTRYPOINT_EXTENSIONS_ATTR)
    assert any(isinstance(entrypoint, Rpc) for entrypoint in entrypoints)


@pytest.mark.parametrize("peer", [UserService, LinkService, SocialGraphService])
def test_gateway_names_and_probes_its_peers(peer: Any) -> None:
    clients = {
        client.target_service: client
        for _, client in inspect.getmembers(service.GatewayService)
        if hasattr(client, "target_service")
    }
    assert (peer, clients[peer.name].probe) in [(called, method) for called, method, *_ in CALLS]


def test_news_is_asked_and_read_by_the_published_contract() -> None:
    asked = []

    class Stub:
        def GetNews(self, request: news_pb2.GetNewsRequest) -> news_pb2.GetNewsResponse:
            asked.append(request)
            return news_pb2.GetNewsResponse(nextToken="t")

    assert News(Stub()).get_news("alice", "s", 5, "newest") == {"events": [], "next_token": "t"}
    assert asked == [
        news_pb2.GetNewsRequest(username="alice", startToken="s", pageSize=5, order=news_pb2.NEWEST)
    ]
