"""The Pods are locked in, watched, scaled, and leave in order."""

import pytest

from tests.contract import manifests
from tests.contract.delivery import SERVICES, defaults
from tests.contract.manifests import Manifest, container, labels, of_kind, pod, workloads

NATS_SECONDS = 3
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
    for account in of_kind(objects, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False
    (namespace,) = of_kind(objects, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@each_overlay
@each_name
def test_each_service_has_an_account_of_its_own(objects: list[Manifest], name: str) -> None:
    assert pod(workloads(objects)[name])["serviceAccountName"] == name


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
    spreads = pod(workloads(objects)[name])["topologySpreadConstraints"]
    apart = {each["topologyKey"]: each["matchLabelKeys"] for each in spreads}
    of_one_release = ["app.kubernetes.io/name", "pod-template-hash"]
    assert apart == dict.fromkeys(
        ("kubernetes.io/hostname", "topology.kubernetes.io/zone"), of_one_release
    )
    assert "app.kubernetes.io/name" in labels(workloads(objects)[name])


@pytest.mark.parametrize("overlay", manifests.PRODUCTION)
@each_name
def test_services_of_production_scale(objects: list[Manifest], name: str) -> None:
    scaler = of_kind(objects, "HorizontalPodAutoscaler")[name]["spec"]
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    assert "replicas" not in workloads(objects)[name]["spec"]  # it would undo the scaling
    (metric,) = scaler["metrics"]
    assert metric["resource"]["target"]["averageUtilization"] < 100  # of what is requested
    down = scaler["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] >= 300
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    assert scaler["behavior"]["scaleUp"]["stabilizationWindowSeconds"] <= 60


def test_local_parts_are_one_each() -> None:
    objects = manifests.overlay("local")
    assert not of_kind(objects, "HorizontalPodAutoscaler")
    for each in workloads(objects).values():
        assert each["spec"].get("replicas", 1) == 1


@each_overlay
def test_servers_keep_their_data_when_they_restart(objects: list[Manifest], overlay: str) -> None:
    servers = of_kind(objects, "StatefulSet")
    beside_nats = {"postgres", "valkey"} if overlay == "local" else set()
    assert servers.keys() == {"nats"} | beside_nats
    for each in servers.values():
        (claim,) = each["spec"]["volumeClaimTemplates"]
        mounts = {mount["name"] for mount in container(each)["volumeMounts"]}
        assert claim["metadata"]["name"] in mounts
        assert claim["spec"]["resources"]["requests"]["storage"]
        assert (
            of_kind(objects, "Service")[each["spec"]["serviceName"]]["spec"]["clusterIP"] == "None"
        )


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
