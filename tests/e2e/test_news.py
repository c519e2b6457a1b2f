"""Read the news: over HTTP, with a plain grpcio client, and what `nameko shell` sees of it all."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from embedded import binaries
from tests.e2e.api import TIME, Api, added, assert_told
from tests.e2e.system import ROOT, System

Newcomer = Callable[[str], Api]

URL = "https://example.org/page"


def test_every_change_arrives_once_and_in_order(newcomer: Newcomer) -> None:
    alice, bob, carol = (newcomer(name) for name in ("alice", "bob", "carol"))
    bob.follow(alice.name)
    carol.follow(alice.name)
    alice.add_link(URL, title="first")
    alice.update_link(URL, title="second")
    alice.update_link(URL, title="second")  # changes nothing, and is no news
    alice.delete_link(URL)
    alice.add_link(URL)
    expected = [
        (kind, alice.name, URL)
        for kind in ("LINK_ADDED", "LINK_UPDATED", "LINK_DELETED", "LINK_ADDED")
    ]
    for reader in (bob, carol):
        assert_told(reader, expected)
    events = bob.news()["events"]
    assert [event["Title"] for event in events] == ["first", "second", "second", URL]
    times = [event["Timestamp"] for event in events]
    assert times == sorted(times)
    assert all(TIME.fullmatch(time) for time in times)
    assert alice.told() == []
    assert bob.told(order="newest") == expected[::-1]


def test_following_brings_links_in_and_unfollowing_takes_them_out(newcomer: Newcomer) -> None:
    alice, bob, carol = (newcomer(name) for name in ("alice", "bob", "carol"))
    alice.add_link(f"{URL}/1")
    carol.add_link(f"{URL}/2")
    alice.add_link(f"{URL}/3")
    bob.follow(alice.name)
    assert_told(bob, added(alice, f"{URL}/1", f"{URL}/3"))
    bob.follow(carol.name)
    both = added(alice, f"{URL}/1") + added(carol, f"{URL}/2") + added(alice, f"{URL}/3")
    assert_told(bob, both)
    bob.unfollow(alice.name)
    assert_told(bob, added(carol, f"{URL}/2"))
    alice.add_link(f"{URL}/unheard")
    carol.add_link(f"{URL}/4")
    assert_told(bob, added(carol, f"{URL}/2", f"{URL}/4"))
    bob.follow(alice.name)
    in_order = [*both, *added(alice, f"{URL}/unheard"), *added(carol, f"{URL}/4")]
    assert_told(bob, in_order)


def test_plain_grpc_client_reads_the_same_news(system: System, newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    bob.follow(alice.name)
    alice.add_link(URL, title="Ünïcode 🎈")
    alice.delete_link(URL)
    expected = [*added(alice, URL), ("LINK_DELETED", alice.name, URL)]
    assert_told(bob, expected)
    answer = grpc_news(system, bob.name)
    assert answer["status"] == "OK"
    assert answer["health"] == "0801"
    assert (answer["news"]["err"], answer["news"]["nextToken"]) == ("", "")
    events = [
        {name[0].upper() + name[1:]: value for name, value in event.items()}
        for event in answer["news"]["events"]
    ]
    assert timed(events) == timed(bob.news()["events"])


@pytest.mark.parametrize(("username", "token"), [("", ""), ("no name", ""), ("alice", "none")])
def test_grpc_refusal_is_in_err_of_an_answer_that_is_ok(
    system: System, username: str, token: str
) -> None:
    answer = grpc_news(system, username, token)
    assert answer["status"] == "OK"
    assert answer["news"].pop("err")
    assert answer["news"] == {"events": [], "nextToken": ""}


def timed(events: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Read the times: protobuf writes no more digits of a fraction than it needs."""
    return [event | {"Timestamp": datetime.fromisoformat(event["Timestamp"])} for event in events]


def grpc_news(system: System, *arguments: str) -> Any:
    target = f"127.0.0.1:{system.port('GRPC_BIND_PORT')}"
    command = [sys.executable, "-m", "tests.e2e.news_client", target, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nameko_shell_calls_the_running_services(system: System, newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    alice.add_link(URL)
    lines = [
        f"print('user', n.rpc.user_svc.get_user({alice.name!r}))",
        f"print('links', n.rpc.link_svc.get_links({alice.name!r}, {{}})['links'][0]['url'])",
        "n.rpc.link_svc.get_links('', {})",
    ]
    done = subprocess.run(
        [binaries.script("nameko"), "shell", "--config", "config.yaml", "--interface", "plain"],
        cwd=ROOT,
        env=system.env,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
    )
    assert f"user {{'username': '{alice.name}'" in done.stdout
    assert f"links {URL}" in done.stdout
    assert "Whose links?" in done.stderr
