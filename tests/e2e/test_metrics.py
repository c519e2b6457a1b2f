"""docs/metrics.md is true: each service has the numbers that it names, and no others."""

import re
from collections.abc import Callable
from typing import NamedTuple

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.api import Api, added, assert_told
from tests.e2e.system import ROOT, System
from tests.processes import until

SERVICES = ("gateway", "link_svc", "social_graph_svc", "user_svc", "news_svc")
PLATFORM = ("process_", "python_")
SUFFIXES = {"counter": "_total"}
INNER = {"service", "le"}


class Row(NamedTuple):
    """A line of the table."""

    name: str
    type: str
    labels: str
    meaning: str


def documented(service: str) -> set[Row]:
    """Return what the table says of a service."""
    found = set()
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        if match := re.fullmatch(r"\| `(\w+)` \| (.*) \|", line):
            kind, labels, services, meaning = match[2].split(" | ")
            if services == "all" or service in services.split(", "):
                names = sorted(re.findall(r"\w+", labels))
                found.add(Row(match[1], kind, ", ".join(names), meaning))
    return found


def exposed(service: str, system: System) -> set[Row]:
    """Return what a service says of itself; a number that has no value yet does not count."""
    families = [family for family in scrape(service, system) if family.samples]
    return {row(family) for family in families if not family.name.startswith(PLATFORM)}


def row(family: Metric) -> Row:
    name = family.name + SUFFIXES.get(family.type, "")
    labels = list(family.samples[0].labels)
    assert all(set(sample.labels) | {"le"} == {*labels, "le"} for sample in family.samples)
    shown = ", ".join(sorted(label for label in labels if label not in INNER))
    return Row(name, family.type, shown, family.documentation)


def scraped(service: str, system: System) -> str:
    key = "METRICS_PORTS.gateway" if service == "gateway" else f"HTTP_PORTS.{service}"
    api = Api(f"http://127.0.0.1:{system.port(key)}")
    assert api.call("GET", "/nowhere").status_code == 404
    return api.call("GET", "/metrics").text


def scrape(service: str, system: System) -> list[Metric]:
    found = list(text_string_to_metric_families(scraped(service, system)))
    ours = [family for family in found if not family.name.startswith(PLATFORM)]
    assert {s.labels["service"] for family in ours for s in family.samples} == {service}
    return found


def value(families: list[Metric], name: str, **labels: str) -> float:
    """Return the sum of the samples with these labels."""
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    values = [s.value for s in samples if labels.items() <= s.labels.items()]
    assert values, f"{name} has no value for {labels}"
    return sum(values)


@pytest.fixture(scope="module")
def traffic(system: System, newcomer: Callable[[str], Api]) -> None:
    """Let somebody follow, add, list, read, leave, and ask for what is not there."""
    alice, bob, carol = (newcomer(name) for name in ("alice", "bob", "carol"))
    assert carol.call("DELETE", "/v1.0/me", json={"confirm": carol.name}).status_code == 200
    bob.follow(alice.name)
    alice.add_link("https://example.org/metrics")
    assert alice.urls() == ["https://example.org/metrics"]
    assert_told(bob, added(alice, "https://example.org/metrics"))
    # Whoever forgets a person says so to user_svc.
    for service in ("link_svc", "social_graph_svc"):
        until(lambda service=service: "rpc_calls_total{" in scraped(service, system))


@pytest.mark.parametrize("service", SERVICES)
def test_documented_numbers_are_exposed_and_no_others(
    traffic: None, system: System, service: str
) -> None:
    assert exposed(service, system) == documented(service)


def test_numbers_tell_what_happened(traffic: None, system: System) -> None:
    gateway = scrape("gateway", system)
    added_links = {"method": "POST", "route": "/v1.0/links", "status": "200"}
    assert value(gateway, "http_requests_total", **added_links) >= 1
    assert value(gateway, "rpc_calls_total", target="link_svc", method="add_link") >= 1
    assert value(gateway, "rpc_calls_total", target="news_svc", method="GetNews", outcome="ok") >= 1
    assert value(gateway, "problems_total", code="not_found", status="404") >= 1
    assert value(gateway, "dependency_up") == value(gateway, "ready") * 5 == 5

    links = scrape("link_svc", system)
    assert value(links, "worker_results_total", entrypoint="add_link", outcome="ok") >= 1
    assert value(links, "events_published_total", stream="link-events") >= 1
    assert value(links, "db_connections_max") == 10

    news = scrape("news_svc", system)
    assert value(news, "grpc_requests_total", method="GetNews", code="OK") >= 1
    assert value(news, "events_handled_total", stream="link-events", outcome="ok") >= 1
    assert value(news, "event_lag_seconds_count", stream="link-events") >= 1
    assert value(news, "fanout_followers_sum") >= 1
    assert value(news, "feed_writes_total") >= 1


def test_backlogs_come_to_nothing_when_all_is_done(traffic: None, system: System) -> None:
    def settled() -> bool:
        links, news = scrape("link_svc", system), scrape("news_svc", system)
        return value(links, "outbox_events") == value(news, "consumer_pending") == 0

    until(settled)
