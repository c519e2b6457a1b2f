"""Tables of Markdown that line up in the raw text, too."""

from collections.abc import Iterable, Sequence

Row = Sequence[str]


def table(titles: Row, rows: Iterable[Row]) -> str:
    """Return a table."""
    rows = [titles, *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)
