"""Who reaches whom, as the NetworkPolicies have it: what is needed, and no more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest

from tests.contract import manifests
from tests.contract.delivery import SERVICES
from tests.contract.manifests import Manifest, container, labels, of_kind, selects, workloads
from tests.contract.test_manifests import KUBERNETES

DATABASE_PORT = 5432
# Who reaches whom inside the local overlay, and nobody else anybody.
REACH = {
    ("api-gateway", "nats", 4222),
    ("api-gateway", "news-manager", 6060),
    ("api-gateway", "valkey", 6379),
    ("link-manager", "nats", 4222),
    ("link-manager", "postgres", 5432),
    ("social-graph-manager", "nats", 4222),
    ("social-graph-manager", "postgres", 5432),
    ("user-manager", "nats", 4222),
    ("user-manager", "postgres", 5432),
    ("news-manager", "nats", 4222),
    ("news-manager", "valkey", 6379),
    ("link-manager-migrations", "postgres", 5432),
    ("social-graph-manager-migrations", "postgres", 5432),
    ("user-manager-migrations", "postgres", 5432),
    ("nats", "nats", 6222),
}
each_overlay = pytest.mark.parametrize("overlay", manifests.OVERLAYS)


@pytest.fixture
def objects(overlay: str) -> list[Manifest]:
    return manifests.overlay(overlay)


@each_overlay
def test_nobody_reaches_anybody_by_default(objects: list[Manifest]) -> None:
    policy = of_kind(objects, "NetworkPolicy")["deny-by-default"]["spec"]
    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_parts_reach_what_they_need_and_no_more() -> None:
    objects = manifests.overlay("local")
    assert set(reach(objects)) == REACH


@pytest.mark.parametrize("overlay", manifests.PRODUCTION)
def test_gateway_reaches_no_database(objects: list[Manifest]) -> None:
    of_gateway = labels(workloads(objects)["api-gateway"])
    opened = {
        port["port"]
        for policy in of_kind(objects, "NetworkPolicy").values()
        if selects(policy["spec"]["podSelector"], of_gateway)
        for rule in policy["spec"].get("egress", [])
        for port in rule["ports"]
    }
    # 6379 is Valkey's, where its own user may count requests and read no feed.
    assert opened == {53, 443, 4222, 6060, 6379}
    assert DATABASE_PORT not in opened


@each_overlay
def test_everybody_may_ask_for_names(objects: list[Manifest]) -> None:
    policy = of_kind(objects, "NetworkPolicy")["names"]["spec"]
    assert policy["podSelector"] == {}
    (rule,) = policy["egress"]
    assert {(each["protocol"], each["port"]) for each in rule["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }
    namespaces = [peer["namespaceSelector"] for peer in rule["to"] if "namespaceSelector" in peer]
    assert namespaces == [{"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}]


@each_overlay
def test_gateway_reaches_github_and_no_private_address(objects: list[Manifest]) -> None:
    (rule,) = manifests.walk(of_kind(objects, "NetworkPolicy")["api-gateway"], "ipBlock")
    assert "169.254.0.0/16" in rule["except"]
    assert "10.0.0.0/8" in rule["except"]


def test_traces_have_a_collector_and_the_way_to_it(tmp_path: Path) -> None:
    objects = manifests.production_with("tracing", tmp_path)
    (endpoint,) = manifests.walk(objects, "OTEL_EXPORTER_OTLP_ENDPOINT")
    _, namespace = str(urlsplit(endpoint).hostname).split(".")
    policy = of_kind(objects, "NetworkPolicy")["services-to-collector"]
    kubernetes_validate.validate(policy, KUBERNETES, strict=True)
    (rule,) = policy["spec"]["egress"]
    assert rule["ports"] == [{"port": urlsplit(endpoint).port}]
    (peer,) = rule["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    for name in SERVICES.values():
        assert selects(policy["spec"]["podSelector"], labels(workloads(objects)[name]))
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in manifests.environment(
            workloads(objects)[name], objects
        )


def reach(objects: list[Manifest]) -> Iterator[tuple[str, str, int]]:
    """Yield who reaches whom, at which port: where the one may leave and the other lets in.

    The gateway's door, open to all, says nothing about the parts and is left out.
    """
    policies = [each["spec"] for each in of_kind(objects, "NetworkPolicy").values()]
    for one, source in workloads(objects).items():
        for other, goal in workloads(objects).items():
            for port in (each["containerPort"] for each in container(goal).get("ports", [])):
                leaves = allows(policies, "egress", "to", labels(source), labels(goal), port)
                enters = allows(policies, "ingress", "from", labels(goal), labels(source), port)
                if leaves and enters:
                    yield one, other, port


def allows(
    policies: list[Manifest],
    way: str,
    peers: str,
    here: dict[str, str],
    there: dict[str, str],
    port: int,
) -> bool:
    """Tell whether a policy of the Pod here lets it talk with the Pod there."""
    rules: list[Any] = [
        rule
        for policy in policies
        if selects(policy["podSelector"], here)
        for rule in policy.get(way, [])
    ]
    return any(
        port in (each["port"] for each in rule["ports"])
        and any(
            selects(peer["podSelector"], there)
            for peer in rule.get(peers, [])
            if "podSelector" in peer
        )
        for rule in rules
    )
