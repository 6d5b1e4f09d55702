"""Charts as inline SVG inside tables. Each row also has its figure as text, so no information is in the picture alone.

Only lines are stretched to the width of the screen; labels are HTML and keep their size. Colours come from the page's
style, which has a light and a dark scheme.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from training.report.markup import text

_TICKS = 5
_FAR = 3.0


@dataclass(frozen=True)
class Row:
    """One line of a chart.

    Attributes:
        figure: The numbers as text.
        low: Lower end of the 95 % interval; None if there is no interval.
        high: Upper end.
        kind: The colour: ranker, baseline, good, bad or open.
    """

    label: str
    figure: str
    mean: float
    low: float | None = None
    high: float | None = None
    kind: str = "baseline"


@dataclass(frozen=True)
class Scale:
    """A map from numbers to positions in percent of the width."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float]) -> "Scale":
        """Return a scale with a margin around the values."""
        low, high = min(values), max(values)
        air = 0.04 * (high - low) or 0.5
        return cls(low - air, high + air)

    def place(self, value: float) -> float:
        """Return the position of a value: 0 is the left end, 100 the right end."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def ticks(self) -> list[float]:
        """Return at most six round numbers within the scale."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first = math.ceil(self.low / step)
        # Adding 0 turns -0.0 into 0.0.
        return [round(number * step, 12) + 0.0 for number in range(first, math.floor(self.high / step) + 1)]


def intervals(head: tuple[str, str], rows: Sequence[Row], *, with_zero: bool = False) -> str:
    """Return a chart with a dot for each mean and a line for its interval.

    Args:
        head: Headings of the labels and of the figures.
        with_zero: Mark zero, for differences. A row far beyond all others becomes an arrow at the edge, so that the
            others' differences stay visible.
    """
    shown = _without_outliers(rows) if with_zero else rows
    ends = [value for row in shown for value in (row.mean, row.low, row.high) if value is not None]
    scale = Scale.over([*ends, *([0.0] if with_zero else [])])
    ticks = [(scale.place(tick), "zero" if with_zero and tick == 0 else "grid") for tick in scale.ticks()]
    grid = "".join(f'<line class="{kind}" x1="{place}" x2="{place}" y1="0" y2="10"/>' for place, kind in ticks)
    lines = "".join(_line(row, grid + _interval(row, scale)) for row in rows)
    labels = tick_labels(scale, scale.ticks())
    axis = f'<tr class="axis" aria-hidden="true"><td></td><td class="plot">{labels}</td><td></td></tr>'
    return _chart(head, lines + axis)


def bars(head: tuple[str, str], rows: Sequence[Row], thin: Sequence[float]) -> str:
    """Return a chart with a bar for each mean, and a thin bar below it for each value of ``thin``, none negative."""
    top = max([*(row.mean for row in rows), *thin, 1e-12])
    lines = (
        _line(row, _bar(row.mean / top, 'y="1" height="5"') + _bar(second / top, 'class="second" y="7" height="2"'))
        for row, second in zip(rows, thin, strict=True)
    )
    return _chart(head, "".join(lines))


def curve(values: Sequence[float], stop: int, label: str) -> str:
    """Return a line through the values of steps 1, 2, ... with the step ``stop`` marked; ``label`` describes it."""
    height, width = Scale.over(values), Scale(1, max(len(values), 2))
    points = " ".join(f"{width.place(i)},{100 - height.place(value)}" for i, value in enumerate(values, 1))
    levels = [(tick, round(100 - height.place(tick), 2)) for tick in height.ticks()]
    grid = "".join(f'<line class="grid" x1="0" x2="100" y1="{place}" y2="{place}"/>' for _, place in levels)
    line = f'<polyline class="ranker" points="{points}"/>'
    mark = f'<line class="stop open" x1="{width.place(stop)}" x2="{width.place(stop)}" y1="0" y2="100"/>'
    names = "".join(f'<span style="top:{place}%">{tick:g}</span>' for tick, place in levels)
    steps = [tick for tick in width.ticks() if tick == int(tick)]
    return (
        f'<div class="curve"><div class="levels" aria-hidden="true">{names}</div>'
        f'<svg role="img" aria-label="{text(label)}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f"{grid}{mark}{line}</svg>{tick_labels(width, steps)}</div>"
    )


def _without_outliers(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without at most two whose mean is over three times as far from zero as the next one."""
    kept = sorted(rows, key=lambda row: abs(row.mean))
    while len(kept) > max(2, len(rows) - 2) and abs(kept[-1].mean) > _FAR * abs(kept[-2].mean):
        kept.pop()
    return kept


def _chart(head: tuple[str, str], lines: str) -> str:
    top = f'<th class="label" scope="col">{text(head[0])}</th><td class="plot"></td>'
    return (
        f'<table class="chart"><thead><tr>{top}<th class="figure" scope="col">{text(head[1])}</th></tr></thead>'
        f"<tbody>{lines}</tbody></table>"
    )


def _line(row: Row, drawing: str) -> str:
    # Long names may wrap after an underscore.
    label = text(row.label).replace("_", "_<wbr>")
    svg = f'<svg aria-hidden="true" viewBox="0 0 100 10" preserveAspectRatio="none">{drawing}</svg>'
    return (
        f'<tr><th class="label" scope="row">{label}</th><td class="plot">{svg}</td>'
        f'<td class="figure {row.kind}">{text(row.figure)}</td></tr>'
    )


def _interval(row: Row, scale: Scale) -> str:
    mean = scale.place(row.mean)
    if not 0 <= mean <= 100:
        points = "2,1 0,5 2,9" if mean < 0 else "98,1 100,5 98,9"
        return f'<polyline class="{row.kind}" points="{points}"/>'
    # A line of length 0 with round ends is a dot that is not stretched with the rest.
    dot = f'<line class="dot {row.kind}" x1="{mean}" x2="{mean}" y1="5" y2="5"/>'
    if row.low is None or row.high is None:
        return dot
    low, high = max(scale.place(row.low), 0.0), min(scale.place(row.high), 100.0)
    return f'<line class="{row.kind}" x1="{low}" x2="{high}" y1="5" y2="5"/>{dot}'


def _bar(share: float, place: str) -> str:
    return f'<rect {place} width="{max(100 * share, 0.3):.2f}"/>'


def tick_labels(scale: Scale, ticks: Sequence[float]) -> str:
    """Return the numbers below a chart."""
    names = "".join(f'<span style="left:{scale.place(tick)}%">{tick:g}</span>' for tick in ticks)
    return f'<div class="ticks" aria-hidden="true">{names}</div>'
