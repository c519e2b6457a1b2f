"""The social graph service as a process: calls over the bus, events in the stream."""

import json
from contextlib import contextmanager

import pytest
from nameko import config
from nameko.cli.utils.config import load_config
from nameko.standalone.rpc import ClusterRpcClient

from chassis.errors import AlreadyExists, Unavailable
from chassis.streams import reads
from embedded import ports
from tests.integration import pgbouncer, service_database
from tests.processes import ROOT, ServiceProcess, until


@pytest.fixture(scope="module")
def uri(postgres):
    with service_database.migrated(postgres, "social_graph_svc", "follow_process"):
        yield postgres.uri("follow_process", "social_graph_svc")


@pytest.fixture
def graph(uri, nats_url, tmp_path):
    with running(nats_url, tmp_path, DB_URIS={"social_graph_svc:Base": uri}) as graph:
        yield graph


@contextmanager
def running(nats_url, folder, **settings):
    settings = load_config((ROOT / "config.yaml").read_text()) | {
        "AMQP_URI": nats_url,
        "NATS_URL": nats_url,
        "HTTP_PORTS": {"social_graph_svc": ports.free_port()},
        **settings,
    }
    config.update(settings)
    process = ServiceProcess("social_graph_svc.service", config=settings, folder=folder)
    process.start()
    try:
        with ClusterRpcClient() as client:
            until(lambda: client.social_graph_svc.get_followers("nobody"), 20)
            yield client.social_graph_svc
    finally:
        status = process.stop()
    assert status == 0
    assert "Traceback" not in process.log.read_text()


def events_of(follower, last):
    """Return the events of one follower as soon as that version is the last."""

    def complete():
        stored = reads.last_of("follow-events", f"follow-events.{follower}", 100, 5)
        events = [json.loads(one.body) for one in stored]
        return events if events[-1]["data"]["version"] == last else None

    return until(complete)


def test_a_follow_is_answered_listed_and_told(graph):
    assert graph.follow("alice", "bob") is None
    assert graph.follow("alice", "eve") is None
    with pytest.raises(AlreadyExists):
        graph.follow("alice", "bob")
    assert graph.unfollow("alice", "bob") is None
    assert graph.get_following("alice") == {"usernames": ["eve"], "next_token": ""}

    events = events_of("alice", last=3)
    assert [(event["type"], event["data"]) for event in events] == [
        ("follow.added", {"followed": "bob", "version": 1}),
        ("follow.added", {"followed": "eve", "version": 2}),
        ("follow.removed", {"followed": "bob", "version": 3}),
    ]
    assert {event["subject"] for event in events} == {"alice"}
    assert {event["source"] for event in events} == {"/social_graph_svc"}


def test_events_go_on_after_a_restart_of_the_database(graph, postgres):
    graph.follow("carol", "bob")
    postgres.stop()
    try:
        with pytest.raises(Unavailable):
            graph.follow("carol", "eve")
    finally:
        postgres.start()
    graph.follow("carol", "eve")
    versions = [event["data"]["version"] for event in events_of("carol", last=2)]
    assert versions == [1, 2]


def test_calls_and_events_pass_a_pooler(uri, postgres, server_folder, nats_url, tmp_path):
    with pgbouncer.running(postgres, server_folder) as pooler:
        pooled = {"social_graph_svc:Base": pgbouncer.through(pooler, uri)}
        with running(nats_url, tmp_path, DB_URIS=pooled, DB_SET_TIMEOUTS=False) as graph:
            for name in ("a", "b", "c"):
                graph.follow("dave", name)
            assert graph.get_following("dave")["usernames"] == ["a", "b", "c"]
            versions = [event["data"]["version"] for event in events_of("dave", last=3)]
            assert versions == [1, 2, 3]
