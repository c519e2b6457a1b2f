"""What the lock files say, and what is needed, as the installed packages tell it."""

import functools
import re
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.contract.delivery import ROOT, project

ALL = "requirements/all.lock"


@functools.cache
def read(path: str) -> dict[str, str]:
    """Return the locked version of each package that this Python and machine would install."""
    found = {}
    for entry in entries(path):
        requirement = Requirement(entry.partition(" \\")[0])
        if requirement.marker is None or requirement.marker.evaluate():
            (version,) = requirement.specifier
            found[canonicalize_name(requirement.name)] = version.version
    return found


def entries(path: str) -> list[str]:
    """Return the lines of each package: the package, and its hashes."""
    text = re.sub(r"^#.*\n", "", (ROOT / path).read_text(), flags=re.MULTILINE)
    return re.split(r"\n(?=\S)", text.rstrip())


def direct(*extras: str) -> list[Requirement]:
    """Return what pyproject.toml asks for; the extra "" is what every service needs."""
    found = []
    optional = project()["optional-dependencies"]
    for extra in extras:
        for text in optional[extra] if extra else project()["dependencies"]:
            requirement = Requirement(text)
            if requirement.name == "delinkcious":
                found += direct(*sorted(requirement.extras))
            elif requirement.marker is None or requirement.marker.evaluate():
                found.append(requirement)
    return found


def needed(*extras: str) -> set[str]:
    """Return the names of all packages that these extras need, directly and not."""
    found: set[str] = set()
    left = [(each.name, frozenset(each.extras)) for each in direct(*extras)]
    seen = set(left)
    while left:
        name, wanted = left.pop()
        found.add(canonicalize_name(name))
        for requirement in map(Requirement, requires(name) or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in wanted | {""}):
                more = (requirement.name, frozenset(requirement.extras))
                if more not in seen:
                    seen.add(more)
                    left.append(more)
    return found
