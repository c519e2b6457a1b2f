"""One service, one folder, one class, one name."""

from pathlib import Path

import pytest
from nameko.cli.run import import_services
from nameko.cli.utils.config import load_config

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("*/service.py"))


def test_folders_are_those_of_the_design() -> None:
    assert SERVICES == ["gateway", "link_svc", "news_svc", "social_graph_svc", "user_svc"]


@pytest.mark.parametrize("service", SERVICES)
def test_nameko_run_finds_exactly_the_service_of_the_folder(service: str) -> None:
    (found,) = import_services(f"{service}.service")
    assert found.name == service
    assert found.__module__ == f"{service}.service"


def test_configuration_knows_every_service_and_no_other() -> None:
    settings = load_config((ROOT / "config.yaml").read_text())
    assert sorted(settings["HTTP_PORTS"]) == SERVICES
    with_tables = [service for service in SERVICES if (ROOT / service / "models.py").exists()]
    assert sorted(settings["DB_URIS"]) == [f"{service}:Base" for service in with_tables]
