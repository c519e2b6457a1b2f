"""What the person at the terminal sees: a bar that grows, and tables."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

WIDTH_OF_A_FILE = 100
STEPS = 10

Advance = Callable[[], None]
Row = Iterable[str]


def console() -> Console:
    """Return the terminal, or the file that stands for it."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE, highlight=False)


@contextmanager
def progress(screen: Console, what: str, total: int) -> Iterator[Advance]:
    """Show how far something is, each time the function that this gives is called."""
    if not screen.is_terminal:
        yield _in_lines(screen, what, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen) as bar:
        task = bar.add_task(what, total=total, rate="")

        def advance() -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=1, rate=f"{speed:.0f}/s" if speed else "")

        yield advance


def table(titles: Iterable[str], ratios: Iterable[int | None], rows: Iterable[Row]) -> Table:
    """Return a table, one line a row. Columns with a ratio share the room that the rest leaves."""
    made = Table(box=None, pad_edge=False, expand=True, padding=(0, 2, 0, 0), header_style="dim")
    for title, ratio in zip(titles, ratios, strict=True):
        made.add_column(title, ratio=ratio, no_wrap=True, overflow="ellipsis")
    for row in rows:
        made.add_row(*map(plain, row))
    return made


def plain(text: str) -> Text:
    """Return somebody's text as it is: neither markup nor control characters do anything."""
    return Text("".join(sign if sign.isprintable() else " " for sign in text))


def _in_lines(screen: Console, what: str, total: int) -> Advance:
    """Print a line for every tenth."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done * STEPS // total > (done - 1) * STEPS // total:
            screen.print(f"{what}: {done:,} of {total:,}", markup=False)

    return advance
