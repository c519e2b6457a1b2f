"""The Pods are locked in, leave in order, and reach only what they need."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract import manifests
from tests.contract.delivery import SERVICES, defaults
from tests.contract.manifests import Manifest, container, labels, of_kind, pod, selects, workloads

DATABASE_PORTS = {5432, 6379}
NATS_SECONDS = 3
# Who reaches whom inside the local overlay, and nobody else anybody.
REACH = {
    ("api-gateway", "nats", 4222),
    ("api-gateway", "news-manager", 6060),
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
each_name = pytest.mark.parametrize("name", SERVICES.values())


@pytest.fixture
def objects(overlay: str) -> list[Manifest]:
    return manifests.overlay(overlay)


@each_overlay
def test_containers_are_locked_in(objects: list[Manifest]) -> None:
    for each in workloads(objects).values():
        whole, only = pod(each)["securityContext"], container(each)["securityContext"]
        assert whole["runAsNonRoot"] is True
        assert whole["runAsUser"] > 0
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
        assert only["allowPrivilegeEscalation"] is False
        assert only["readOnlyRootFilesystem"] is True
        assert only["capabilities"] == {"drop": ["ALL"]}
        assert pod(each)["automountServiceAccountToken"] is False


@each_overlay
def test_containers_are_bounded(objects: list[Manifest]) -> None:
    for each in workloads(objects).values():
        for bounds in ("requests", "limits"):
            assert container(each)["resources"][bounds].keys() == {"cpu", "memory"}


@each_overlay
def test_images_are_pinned(objects: list[Manifest]) -> None:
    for each in workloads(objects).values():
        _, _, tag = container(each)["image"].rpartition(":")
        assert tag not in ("", "latest")


@each_overlay
def test_containers_are_watched(objects: list[Manifest]) -> None:
    for each in workloads(objects).values():
        if each["kind"] != "Job":
            wanted = {"startupProbe", "readinessProbe", "livenessProbe"}
            assert wanted <= container(each).keys()


@each_overlay
@each_name
def test_no_service_is_restarted_because_another_is_away(
    objects: list[Manifest], name: str
) -> None:
    assert container(workloads(objects)[name])["livenessProbe"]["httpGet"]["path"] == "/health/live"


@each_overlay
def test_news_are_ready_when_their_grpc_health_says_so(objects: list[Manifest]) -> None:
    probe = container(workloads(objects)["news-manager"])["readinessProbe"]
    assert probe["grpc"]["port"] == defaults()["GRPC_BIND_PORT"]


@each_overlay
@each_name
def test_stopping_services_have_the_time_they_take(objects: list[Manifest], name: str) -> None:
    before = container(workloads(objects)[name])["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = 2 * defaults()["STOP_GRACE_SECONDS"] + NATS_SECONDS
    assert pod(workloads(objects)[name])["terminationGracePeriodSeconds"] >= before + drain


@each_overlay
@each_name
def test_roll_outs_and_evictions_leave_somebody_serving(objects: list[Manifest], name: str) -> None:
    strategy = workloads(objects)[name]["spec"]["strategy"]
    assert strategy == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert of_kind(objects, "PodDisruptionBudget")[name]["spec"]["maxUnavailable"] == 1
    assert len(pod(workloads(objects)[name])["topologySpreadConstraints"]) == 2


@pytest.mark.parametrize("overlay", manifests.PRODUCTION)
@each_name
def test_services_of_production_scale(objects: list[Manifest], name: str) -> None:
    scaler = of_kind(objects, "HorizontalPodAutoscaler")[name]["spec"]
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    assert "replicas" not in workloads(objects)[name]["spec"]  # it would undo the scaling


def test_local_parts_are_one_each() -> None:
    objects = manifests.overlay("local")
    assert not of_kind(objects, "HorizontalPodAutoscaler")
    for each in workloads(objects).values():
        assert each["spec"].get("replicas", 1) == 1


def test_the_way_in_is_by_ingress_or_by_load_balancer() -> None:
    by_ingress, by_balancer = (manifests.overlay(name) for name in manifests.PRODUCTION)
    (ingress,) = of_kind(by_ingress, "Ingress").values()
    (tls,) = ingress["spec"]["tls"]
    assert tls["hosts"] == [rule["host"] for rule in ingress["spec"]["rules"]]
    (public,) = manifests.walk(by_ingress, "PUBLIC_URL")
    assert public == f"https://{tls['hosts'][0]}"
    assert "type" not in of_kind(by_ingress, "Service")["api-gateway"]["spec"]
    assert not of_kind(by_balancer, "Ingress")
    assert of_kind(by_balancer, "Service")["api-gateway"]["spec"]["type"] == "LoadBalancer"


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
    assert opened == {53, 443, 4222, 6060}
    assert not opened & DATABASE_PORTS


@each_overlay
def test_gateway_reaches_github_and_no_private_address(objects: list[Manifest]) -> None:
    (rule,) = manifests.walk(of_kind(objects, "NetworkPolicy")["api-gateway"], "ipBlock")
    assert "169.254.0.0/16" in rule["except"]
    assert "10.0.0.0/8" in rule["except"]


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
