"""Every call over the bus, as it stands in the code, is one that its service answers."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
from nameko.extensions import ENTRYPOINT_EXTENSIONS_ATTR
from nameko.rpc import Rpc

from link_svc.service import LinkService
from news_svc import feeds
from social_graph_svc.service import SocialGraphService
from user_svc.service import UserService

ROOT = Path(__file__).parents[2]
ROOMS = ("gateway", "link_svc", "news_svc", "social_graph_svc", "user_svc")
SERVICES: dict[str, Any] = {
    each.name: each for each in (LinkService, SocialGraphService, UserService)
}


@dataclass(frozen=True)
class Use:
    """A method of a peer that some code names, and the call, if it calls it there."""

    where: str
    service: str
    method: str
    call: ast.Call | None


def trees(room: str) -> list[tuple[str, ast.Module]]:
    paths = sorted((ROOT / room).rglob("*.py"))
    return [(str(path.relative_to(ROOT)), ast.parse(path.read_text())) for path in paths]


def clients(room: str) -> dict[str, str]:
    """Return the clients that a service declares: attribute, and name of the peer."""
    return {
        node.targets[0].id: node.value.args[0].value
        for _, tree in trees(room)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).endswith(("ServiceRpc", "UserRpc"))
        and isinstance(node.value.args[0], ast.Constant)
    }


def uses(room: str) -> Iterator[Use]:
    """Yield where a client's method is named: ``self.links.add_link``, or ``users.get_user``."""
    declared = clients(room)
    for where, tree in trees(room):
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute) or not node.attr.islower():
                continue  # no method: links.Links is a class
            if (client := client_of(node.value)) in declared:
                place = f"{where}:{node.lineno}"
                yield Use(place, declared[client], node.attr, calls.get(id(node)))


def client_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self":
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


USES = [use for room in ROOMS for use in uses(room)]


def test_every_client_is_of_a_service_that_there_is() -> None:
    declared = {(room, service) for room in ROOMS for service in clients(room).values()}
    assert declared == {
        *(("gateway", name) for name in SERVICES),
        ("news_svc", "social_graph_svc"),
        *((room, "user_svc") for room in ("link_svc", "social_graph_svc", "news_svc")),
    }


def test_every_method_on_the_bus_is_called_by_somebody() -> None:
    offered = {
        (service.name, name)
        for service in SERVICES.values()
        for name, method in inspect.getmembers(service, inspect.isfunction)
        if is_rpc(method) and not name.startswith("replay_")  # chassis.dead_letters calls those
    }
    assert {(use.service, use.method) for use in USES} == offered


def is_rpc(method: Any) -> bool:
    extensions = getattr(method, ENTRYPOINT_EXTENSIONS_ATTR, ())
    return any(isinstance(extension, Rpc) for extension in extensions)


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.where}-{use.method}")
def test_peer_answers_what_is_called(use: Use) -> None:
    method = getattr(SERVICES[use.service], use.method, None)
    assert is_rpc(method)
    if use.call is None or any(isinstance(each, ast.Starred) for each in use.call.args):
        return
    given = {each.arg: None for each in use.call.keywords if each.arg is not None}
    signature = inspect.signature(method)
    if any(each.arg is None for each in use.call.keywords):  # **page
        signature.bind_partial(None, *use.call.args, **given)
    else:
        signature.bind(None, *use.call.args, **given)


@pytest.mark.parametrize("method", ["get_followers", "get_following"])
def test_news_walks_through_the_pages_that_the_social_graph_gives(method: str) -> None:
    graph = create_autospec(SocialGraphService, instance=True)
    get = getattr(graph, method)
    get.side_effect = [
        {"usernames": ["bob"], "next_token": "after bob"},
        {"usernames": ["carol"], "next_token": ""},
    ]
    assert list(feeds.pages(get, "alice", 1)) == [["bob"], ["carol"]]
    assert [call.kwargs["start_token"] for call in get.call_args_list] == ["", "after bob"]
