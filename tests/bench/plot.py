"""Pictures of a run as SVG: for each event a row a contender, a dot a run, a bar for the median."""

from collections.abc import Sequence
from html import escape
from math import log10

from tests.bench.results import Measured
from tests.bench.table import EVENTS, rows

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 330, 30, 24, 46
MOST = 100_000.0
NAMESPACE = "http://www.w3.org/2000/svg"
TICKS = (0, 1, 10, 100, 1000, 10_000, 100_000)
OURS, RIVAL, INK, FAINT = "#0b6e4f", "#8a8f98", "#1f2933", "#d9dde3"


def across(lost: float) -> float:
    """Where so many lost requests stand: logarithmic, with room for none."""
    share = log10(1 + min(lost, MOST)) / log10(1 + MOST)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def picture(measured: Sequence[Measured], kind: str) -> str:
    """Requests lost at a thousand a second, logarithmic."""
    found = rows(measured, kind)
    height = TOP + ROW * len(found) + 34
    bottom = height - 26
    title = escape(f"{EVENTS[kind]}: requests lost at 1000 a second")
    parts = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="15" fill="{INK}">{title}</text>',
    ]
    for tick in TICKS:
        x = across(tick)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="{RIVAL}">{tick}</text>')
    for number, row in enumerate(found):
        y = TOP + ROW * number + 8
        colour = OURS if row.contender.ours else RIVAL
        parts.append(
            f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end" fill="{INK}">{escape(row.contender.title)}</text>'
        )
        mine = (one.figures.lost for one in measured if (one.contender, one.kind) == (row.contender.key, kind))
        parts += [
            f'<circle cx="{across(lost):.1f}" cy="{y}" r="3.5" fill="{colour}" fill-opacity="0.45"/>' for lost in mine
        ]
        x = across(row.lost.median)
        parts.append(f'<line x1="{x:.1f}" y1="{y - 8}" x2="{x:.1f}" y2="{y + 8}" stroke="{colour}" stroke-width="3"/>')
    return "\n".join([*parts, "</svg>\n"])
