"""Draws the curves of a result of ``benchmarks.jobs.scaling`` as SVG pictures that stand by themselves.

    python -m benchmarks.plots benchmarks/results/scaling.json docs

Writes ``scaling-CURVE.svg`` for each curve that the result holds.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 212, 58, 58
LABEL_HEIGHT = 16
COLOURS = ("#0b62c4", "#1a7f37", "#8a6100", "#7a3fb3", "#b3261e")
FLOOR_COLOUR = "#7d8894"
AXES = {
    "candidates": ("A slate of 20, 30 likes, on one thread", "candidates in the digest", "milliseconds"),
    "likes": ("A slate of 20 from 77 candidates, on one thread", "likes of the reader", "milliseconds"),
    "users": ("A whole re-rank, 77 candidates, 30 likes each", "users", "seconds"),
    "memory": ("Most memory of a whole re-rank", "users", "MB"),
    "workers": ("A whole re-rank with more workers", "worker processes", "users a second"),
}
FLOORS = ("reference model alone", "one worker's, times workers")


@dataclass(frozen=True)
class Line:
    """Points (x, y), both above 0, and what they are."""

    label: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """A logarithmic one from numbers to places."""

    low: float
    high: float
    first: float
    last: float

    def place(self, value: float) -> float:
        """In the picture's units."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.first + share * (self.last - self.first), 1)


def picture(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> str:
    """Lines over two logarithmic axes, each named at its end; floors are dashed.

    The horizontal axis has a mark at every measured place, the vertical one at round numbers.
    """
    xs = sorted({x for line in lines for x, _ in line.points})
    ys = [y for line in lines for _, y in line.points]
    across = Axis(xs[0], max(xs[-1], xs[0] * 1.01), LEFT, WIDTH - RIGHT)
    up = Axis(min(ys) / 1.15, max(ys) * 1.15, HEIGHT - BOTTOM, TOP)
    words = escape(_in_words(title, y_name, lines))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}"',
        'font-family="system-ui, sans-serif" font-size="12.5">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fafbfc"/>',
        f'<text x="{LEFT - 44}" y="28" font-size="16" font-weight="600" fill="#1c2d4a">{escape(title)}</text>',
        f'<text x="{LEFT - 44}" y="46" fill="#59636e">{escape(y_name)}</text>',
    ]
    for tick in _ticks(up.low, up.high):
        y = up.place(tick)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#d1d9e0"/>',
            f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="#59636e">{tick:,g}</text>',
        ]
    for x in xs:
        place = across.place(x)
        parts += [
            f'<line x1="{place}" x2="{place}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}" stroke="#7d8894"/>',
            f'<text x="{place}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#59636e">{_short(x)}</text>',
        ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle" fill="#59636e">{escape(x_name)}</text>')
    ends = _apart([up.place(line.points[-1][1]) for line in lines])
    colours = iter(COLOURS)
    for line, end in zip(lines, ends, strict=True):
        is_floor = line.label in FLOORS
        colour = FLOOR_COLOUR if is_floor else next(colours)
        parts += _drawn(line, across, up, colour, end, "5 4" if is_floor else "none")
    return "\n".join([*parts, "</svg>", ""])


def _drawn(line: Line, across: Axis, up: Axis, colour: str, end: float, dashes: str) -> Iterable[str]:
    places = [(across.place(x), up.place(y)) for x, y in line.points]
    path = " ".join(f"{x},{y}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
    yield from (f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places)
    x, y = places[-1]
    yield f'<polyline points="{x + 5},{y} {x + 14},{end}" fill="none" stroke="{colour}" stroke-width="0.8"/>'
    yield f'<text x="{x + 17}" y="{end + 4}" fill="{colour}">{escape(line.label)}</text>'


def _apart(places: Sequence[float]) -> list[float]:
    """Places for labels, each as near as can be to where its line ends and none on another."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    found = list(places)
    for above, below in pairwise(order):
        found[below] = max(found[below], found[above] + LABEL_HEIGHT)
    # What was pushed out at the bottom goes back up.
    limit = HEIGHT - BOTTOM + 4.0
    for i in reversed(order):
        found[i] = min(found[i], limit)
        limit = found[i] - LABEL_HEIGHT
    return found


def _ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 1.5, 2, 3, 5, 7) if high / low < 10 else (1, 2, 5) if high / low < 10**3 else (1,)
    return [tick for power in powers for step in steps if low <= (tick := step * 10.0**power) <= high]


def _short(value: float) -> str:
    return f"{value / 10**6:g} million" if value >= 10**6 else f"{value:,g}"


def _in_words(title: str, y_name: str, lines: Sequence[Line]) -> str:
    """The numbers too, for who cannot see the picture."""
    told = ("; ".join(f"{x:,g}: {y:,g}" for x, y in line.points) for line in lines)
    return f"{title}, {y_name}. " + " ".join(f"{line.label}: {each}." for line, each in zip(lines, told, strict=True))


def curves(figures: Sequence[dict[str, Any]]) -> dict[str, list[Line]]:
    """The lines of each curve that the figures of a result hold."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for each in figures:
        if "curve" in each:
            lines = found.setdefault(each["curve"], {})
            for label, y in each["series"].items():
                if y > 0:
                    lines.setdefault(label, []).append((each["x"], y))
    return {curve: [Line(*line) for line in lines.items()] for curve, lines in found.items()}


def main(arguments: list[str] | None = None) -> int:
    """Writes the pictures and names them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots")
    parser.add_argument("result", type=Path, help="what benchmarks.jobs.scaling printed with --json")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    options = parser.parse_args(arguments)
    figures = json.loads(options.result.read_text(encoding="utf-8"))["benchmarks"]
    for curve, lines in curves(figures).items():
        file = options.folder / f"scaling-{curve}.svg"
        file.write_text(picture(*AXES[curve], lines), encoding="utf-8")
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
