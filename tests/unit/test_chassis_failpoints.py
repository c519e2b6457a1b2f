"""Failpoints: a process is killed at the instant that a file names, once, and never otherwise."""

import signal
from pathlib import Path

import pytest
from nameko import config
from nameko.exceptions import ConfigurationError

from chassis import failpoints


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the signals that would have reached this process."""
    signals: list[int] = []
    monkeypatch.setattr(failpoints.os, "kill", lambda pid, signum: signals.append(signum))
    return signals


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config["FAILPOINTS_DIR"] = str(tmp_path)
    return tmp_path


def test_who_comes_there_is_killed_once(folder: Path, killed: list[int]) -> None:
    (folder / "here").write_text("1")
    failpoints.reach("there")
    assert killed == []
    failpoints.reach("here")
    failpoints.reach("here")
    assert killed == [signal.SIGKILL]
    assert list(folder.iterdir()) == []


def test_some_may_pass_first(folder: Path, killed: list[int]) -> None:
    (folder / "here").write_text("3")
    failpoints.reach("here")
    failpoints.reach("here")
    assert killed == []
    failpoints.reach("here")
    assert killed == [signal.SIGKILL]


def test_without_the_key_nothing_is_looked_for(
    tmp_path: Path, killed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").write_text("1")
    config["FAILPOINTS_DIR"] = ""
    failpoints.check()
    failpoints.reach("here")
    assert killed == []


def test_production_has_none(folder: Path) -> None:
    config["ENVIRONMENT"] = "development"
    failpoints.check()
    config["ENVIRONMENT"] = "production"
    with pytest.raises(ConfigurationError, match="FAILPOINTS_DIR"):
        failpoints.check()
