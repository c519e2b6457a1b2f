"""Events that could not be handled are shown, and handled later in their old places."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from nameko import config
from nameko.cli.utils.config import load_config
from nameko.standalone.rpc import ClusterRpcClient

from chassis import dead_letters, nats, streams
from chassis.events.cloudevents import Event
from chassis.redis import connect
from embedded import ports
from embedded.nats import NatsServer
from news_svc.domain import NewsQuery, Order
from news_svc.store import FeedStore
from tests.processes import ROOT, ServiceProcess, until

OLDER, GRAPH = (
    f"tests.integration.dead_letter_services:{name}" for name in ("NewsService", "Graph")
)
MEGABYTE = b"9" * 1024 * 1024


@pytest.fixture
def settings(tmp_path: Path, valkey_url: str) -> Iterator[dict[str, Any]]:
    """Return the configuration, of a NATS of this test's own."""
    server = NatsServer(tmp_path / "nats", ports.free_port())
    server.start()
    values = load_config((ROOT / "config.yaml").read_text()) | {
        "AMQP_URI": server.url,
        "NATS_URL": server.url,
        "REDIS_URL": valkey_url,
        "HTTP_PORTS": {"news_svc": ports.free_port()},
        "GRPC_BIND_PORT": ports.free_port(),
    }
    config.update(values)
    with connect(valkey_url) as client:
        client.flushdb()
    yield values
    nats.streams().close(1)
    server.stop()


@pytest.fixture
def run(settings: dict[str, Any], tmp_path: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Start services."""
    started: list[ServiceProcess] = []

    def run(service: str) -> ServiceProcess:
        started.append(ServiceProcess(service, config=settings, folder=tmp_path).start())
        return started[-1]

    yield run
    for process in started:
        process.stop()


@pytest.fixture
def command(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str]]]:
    """Run the command; return its status and what it said."""
    path = tmp_path / "command.yaml"
    path.write_text(yaml.safe_dump(settings | {"LOGGING": {"version": 1, "incremental": True}}))

    def run(*words: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        status = dead_letters.main([*words, "--config", str(path)])
        return status, "".join(capsys.readouterr()).splitlines()

    return run


def publish(version: int, kind: str) -> None:
    """Publish a change of ann's."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    link = {"url": f"https://example.org/{version}", "title": "t"}
    data = {"link": link, "version": version}
    body = Event(f"e{version}", "/test", kind, "ann", now, data).encode()
    until(lambda: streams.publish("link-events", "link-events.ann", body, f"{version}", timeout=2))


def call(method: str, *arguments: Any) -> None:
    with ClusterRpcClient() as services:
        services["news_svc"][method](*arguments)


def made(method: str, *arguments: Any) -> bool:
    call(method, *arguments)
    return True


def news(settings: dict[str, Any]) -> list[str]:
    with connect(settings["REDIS_URL"]) as client:
        page = FeedStore(client).read(NewsQuery.new("bob", "", 100, Order.OLDEST), 1000)
    return [event.url.rpartition("/")[2] for event in page.events]


def test_what_could_not_be_handled_is_handled_by_the_next_release_in_its_old_place(
    settings: dict[str, Any],
    run: Callable[..., ServiceProcess],
    command: Callable[..., tuple[int, list[str]]],
) -> None:
    assert command("list") == (0, ["There are no dead letters."])
    run(GRAPH)
    older = run(OLDER)
    until(lambda: made("rebuild_feed", "bob"))
    for version in range(1, 5):  # the author's first one, too
        publish(version, "link.updated" if version % 2 else "link.added")
    for body in (b"\x1b[2J no event", MEGABYTE):
        nats.streams().publish("link-events.ann", body)
    publish(5, "link.added")
    until(lambda: news(settings) == ["2", "4", "5"])

    status, letters = until(lambda: found if len((found := command("list"))[1]) == 4 else None)
    numbers = [line.split()[0] for line in letters]
    assert status == 0
    assert all("link-events.news" in line for line in letters)
    assert "unknown_event_type: Nobody here reads it, says password=[redacted]" in letters[0]
    assert "invalid_event: " in letters[2]
    shown = command("show", numbers[0])[1]
    assert shown[0] == letters[0]
    assert json.loads(shown[1])["data"]["link"]["url"] == "https://example.org/1"
    assert command("show", numbers[2])[1][1] == "\\x1b[2J no event"
    status, said = command("replay", "all")
    assert (status, said[-1]) == (1, "0 handled, 4 left")
    assert news(settings) == ["2", "4", "5"]

    assert older.stop() == 0
    status, said = command("replay", numbers[0])
    assert said[1] == "  stays: news_svc does not run"
    run("news_svc.service")
    until(lambda: made("rebuild_feed", "bob"))
    assert news(settings) == ["2", "4", "5"]
    assert command("replay", numbers[0]) == (0, ["1 handled, 0 left"])
    assert news(settings) == ["1", "2", "4", "5"]
    status, said = command("replay", "all")
    assert (status, said[-1]) == (1, "1 handled, 2 left")
    assert [line.strip() for line in said[1:4:2]] == [
        "stays: This is not a CloudEvent in JSON.",
        "stays: it is too large to be handled",
    ]
    assert news(settings) == ["1", "2", "3", "4", "5"]
    assert command("list") == (0, letters[2:])
    assert command("replay", numbers[0]) == (1, [f"There is no dead letter {numbers[0]}."])

    # Once more is harmless, and a feed that is made anew is the same.
    call("replay_link_events", 10**12, shown[1])
    call("forget_feeds")
    until(lambda: made("rebuild_feed", "bob"))
    assert news(settings) == ["1", "2", "3", "4", "5"]
