"""What is installed is written down to the byte, and agrees with pyproject.toml."""

from importlib.metadata import version

import pytest

from tests.contract import locks
from tests.contract.delivery import ROOT

LOCKS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "requirements").iterdir())
# The extras of each lock beside all.lock; what every service needs is in all of them.
EXTRAS = {
    "requirements/chassis.lock": ("", "tracing"),
    "requirements/database.lock": ("", "database"),
    "requirements/gateway.lock": ("", "gateway"),
    "requirements/link-svc.lock": ("", "link-svc"),
    "requirements/news-svc.lock": ("", "news-svc"),
    locks.ALL: ("", "all"),
}
STALE = "run: make lock"


def test_every_lock_is_known() -> None:
    assert sorted(EXTRAS) == LOCKS


@pytest.mark.parametrize("path", LOCKS)
def test_what_the_project_asks_for_is_locked(path: str) -> None:
    locked = locks.read(path)
    for requirement in locks.direct(*EXTRAS[path]):
        found = locked.get(locks.canonicalize_name(requirement.name))
        assert found, f"{path} lacks {requirement}; {STALE}"
        assert requirement.specifier.contains(found, prereleases=True), f"{path}: {found}; {STALE}"


@pytest.mark.parametrize("path", LOCKS)
def test_what_that_needs_is_locked_and_nothing_else(path: str) -> None:
    assert set(locks.read(path)) == locks.needed(*EXTRAS[path]), STALE


@pytest.mark.parametrize("path", LOCKS)
def test_locks_agree_with_each_other(path: str) -> None:
    assert locks.read(path).items() <= locks.read(locks.ALL).items(), STALE


@pytest.mark.parametrize("path", LOCKS)
def test_every_package_has_its_hashes_and_no_lock_an_index(path: str) -> None:
    for entry in locks.entries(path):
        assert "--hash=sha256:" in entry
    assert "://" not in (ROOT / path).read_text()


def test_what_is_installed_is_what_is_locked() -> None:
    locked = locks.read(locks.ALL)
    assert {name: version(name) for name in locked} == locked, "run: rm -rf .venv; make test"
