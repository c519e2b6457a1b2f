"""A plot of requests per second at each size, with the aims, as SVG."""

from collections.abc import Iterator
from html import escape

from bench.report import aims
from bench.report.results import Results

WIDTH, LEFT, RIGHT = 900, 170, 70
BAR, GAP, TOP = 12, 14, 70
COLOURS = ("#9ecae1", "#4292c6", "#084594", "#54278f")
STYLE = "font-family: sans-serif; font-size: 12px"

Bars = dict[str, dict[int, float]]


def svg(results: Results) -> str:
    """Return the plot."""
    bars = _bars(results)
    most = max(
        [rate for rates in bars.values() for rate in rates.values()]
        + [aims.FIRST[name].rate for name in bars if name in aims.FIRST]
        + [1.0]
    )
    body: list[str] = [*_legend(results)]
    y = TOP
    for name, rates in bars.items():
        body += _group(name, rates, results.sizes, y, (WIDTH - LEFT - RIGHT) / most)
        y += BAR * len(rates) + GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" style="{STYLE}">'
    background = f'<rect width="{WIDTH}" height="{y}" fill="white"/>'
    return "\n".join([head, background, *body, "</svg>", ""])


def _bars(results: Results) -> Bars:
    return {
        name: {
            size: cells[aims.TOGETHER].rate
            for size, cells in sizes.items()
            if aims.TOGETHER in cells
        }
        for name, sizes in results.figures.items()
        if name != aims.TRIVIAL
    }


def _legend(results: Results) -> Iterator[str]:
    title = f"Requests per second over {aims.TOGETHER} connections, by the links of one person"
    yield f'<text x="10" y="22" font-weight="bold" font-size="14">{escape(title)}</text>'
    x = LEFT
    for place, size in enumerate(results.sizes):
        yield _bar(x, 36, BAR, COLOURS[place % len(COLOURS)])
        yield f'<text x="{x + 18}" y="46">{size:,}</text>'
        x += 90
    yield f'<line x1="{x + 5}" y1="35" x2="{x + 5}" y2="49" stroke="#d94801" stroke-width="2"/>'
    yield f'<text x="{x + 14}" y="46">the first aim</text>'


def _group(
    name: str, rates: dict[int, float], sizes: list[int], top: float, scale: float
) -> Iterator[str]:
    middle = top + BAR * len(rates) / 2 + 4
    yield f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>'
    for place, (size, rate) in enumerate(rates.items()):
        y, width = top + place * BAR, rate * scale
        colour = COLOURS[sizes.index(size) % len(COLOURS) if size in sizes else 1]
        yield _bar(LEFT, y, width, colour)
        yield f'<text x="{LEFT + width + 6:.1f}" y="{y + 10}" font-size="10">{rate:,.0f}</text>'
    if aim := aims.FIRST.get(name):
        x, bottom = LEFT + aim.rate * scale, top + BAR * len(rates)
        yield (
            f'<line x1="{x:.1f}" y1="{top - 3}" x2="{x:.1f}" y2="{bottom + 3}" '
            'stroke="#d94801" stroke-width="2"/>'
        )


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{BAR - 2}" fill="{colour}"/>'
