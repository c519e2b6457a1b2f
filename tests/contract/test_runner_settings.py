"""The runner reads config.yaml without nameko: alike, whatever the environment says."""

from pathlib import Path
from typing import Any

import pytest
from nameko.cli.utils.config import ENV_VAR_MATCHER, _replace_env_var, load_config

from embedded.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
OF_ALL_KINDS = """\
number: ${A:1}
truth: ${A:true}
nothing: ${A:}
bare: ${A}
within: ${A:${B:${C:x${D:9}}}}
two: ${A:1}/${B:${C:2}}
braces: ${A:x{y}z}
raw: !raw_env_var "${A:000123}"
quoted: "${A:redis://${B:h}:${C:1}/0}"
block: {key: "${A:k}", raw: !raw_env_var "${B:1}"}
plain: a #b
odd: "${A B} $A {A} ${"
"""


def as_services_do(text: str) -> Any:
    """Return what ``chassis.config`` finds, which looks up what nameko has left."""

    def looked_up(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: looked_up(each) for key, each in value.items()}
        return ENV_VAR_MATCHER.sub(_replace_env_var, value) if isinstance(value, str) else value

    return looked_up(load_config(text))


def as_the_runner_does(text: str, folder: Path) -> Any:
    folder.joinpath("config.yaml").write_text(text)
    settings = Settings(folder)
    return {key: settings.get(key) for key in as_services_do(text)}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"A": "7"},
        {"A": "no", "B": "000123", "C": "x:y", "D": ""},
        {"A": "${B}", "B": "b"},
        {"B": "${C}", "C": "c"},
    ],
)
def test_values_of_all_kinds_are_read_alike(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ABCD":
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert as_the_runner_does(OF_ALL_KINDS, tmp_path) == as_services_do(OF_ALL_KINDS)


@pytest.mark.parametrize(
    "environment", [{}, {"NATS_CLUSTER_SERVICE_HOST": "nats", "EMBEDDED_POSTGRES_PORT": "15999"}]
)
def test_the_configuration_is_read_alike(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    text = ROOT.joinpath("config.yaml").read_text()
    assert as_the_runner_does(text, tmp_path) == as_services_do(text)
