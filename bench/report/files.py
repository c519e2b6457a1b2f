"""The results as files: JSON for programs, Markdown and a plot for people."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.report import comparison, plot
from bench.report.markdown import markdown
from bench.report.results import Results


def write(results: Results, folder: Path, before: dict[str, Any] | None = None) -> str:
    """Write all files into the folder; return the Markdown, beside an earlier result if given."""
    text = markdown(results)
    if before is not None:
        text += f"\n{comparison.markdown(before, results)}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(text)
    (folder / "results.svg").write_text(plot.svg(results))
    (folder / "results.json").write_text(json.dumps(asdict(results), indent=2) + "\n")
    return text
