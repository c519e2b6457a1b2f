"""What the documents say is tested is tested: each test that they name is there."""

import re

import pytest

from tests.processes import ROOT

NAMED = re.compile(r"`((?:unit|contract|integration|e2e|faults)/[\w/]+)(?:::(\w+))?`")
DOCUMENTS = ("SECURITY.md", "docs/reliability.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tests_that_are_named_are_there(document: str) -> None:
    named = NAMED.findall((ROOT / document).read_text("utf-8"))
    assert len(named) > 20
    missing = []
    for name, test in named:
        file = ROOT / "tests" / f"{name}.py"
        if not file.exists() or f"def {test}" not in file.read_text("utf-8"):
            missing.append(f"{name}::{test}")
    assert not missing


@pytest.mark.parametrize("document", [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")], ids=str)
def test_links_between_documents_lead_somewhere(document) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text("utf-8"))
    assert not [link for link in links if not (document.parent / link).exists()]


def test_records_have_numbers_of_their_own() -> None:
    numbers = [file.name[:4] for file in (ROOT / "docs" / "adr").glob("*.md")]
    assert sorted(numbers) == [f"{number:04}" for number in range(1, len(numbers) + 1)]
