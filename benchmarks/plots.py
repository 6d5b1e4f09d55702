"""Draw the curves of a result of ``benchmarks.jobs.scaling`` as SVG pictures with matplotlib.

    python -m benchmarks.plots benchmarks/results/scaling.json docs

Writes ``scaling-CURVE.svg`` for each curve in the result.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

AXES = {
    "candidates": ("A slate of 20, 30 likes, on one thread", "candidates in the digest", "milliseconds"),
    "likes": ("A slate of 20 from 77 candidates, on one thread", "likes of the user", "milliseconds"),
    "users": ("A whole re-rank, 77 candidates, 30 likes each", "users", "seconds"),
    "memory": ("Peak memory of a whole re-rank", "users", "MB"),
    "workers": ("A whole re-rank with more workers", "worker processes", "users per second"),
}
"""Title, horizontal axis and vertical axis of each curve."""
FLOORS = ("reference model alone", "one worker's, times workers")
"""Lines that are a floor to compare with; they are drawn dashed."""
Lines: TypeAlias = Mapping[str, Sequence[tuple[float, float]]]
"""Points (x, y) of each line, by its label."""


def draw(file: Path, title: str, x_name: str, y_name: str, lines: Lines) -> None:
    """Write the lines over two logarithmic axes; the horizontal axis has a tick at each measured value."""
    import matplotlib as mpl  # noqa: PLC0415 (slow to import, and those who only read the figures do not need it)
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator  # noqa: PLC0415

    # Text stays text, and the same result gives the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "paperfeed", "font.family": "sans-serif"}):
        figure = Figure(figsize=(8, 4.4), layout="constrained")
        axes = figure.subplots()
        for label, points in lines.items():
            style = {"linestyle": "--", "color": "gray"} if label in FLOORS else {"marker": "o", "markersize": 4}
            axes.loglog(*zip(*points, strict=True), label=label, **style)
        axes.set(title=title, xlabel=x_name, ylabel=y_name)
        axes.xaxis.set_major_locator(FixedLocator(sorted({x for points in lines.values() for x, _ in points})))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda x, _: f"{x / 10**6:g} million" if x >= 10**6 else f"{x:,g}")
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:,g}")
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False)
        figure.savefig(file, metadata={"Date": None, "Title": title, "Description": _in_words(lines)})


def _in_words(lines: Lines) -> str:
    """Return all points as text, for people who cannot see the picture."""
    return " ".join(f"{label}: {'; '.join(f'{x:,g}: {y:,g}' for x, y in points)}." for label, points in lines.items())


def curves(figures: Sequence[dict[str, Any]]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return the lines of each curve in the figures of a result; figures without a curve are left out."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for each in figures:
        for label, y in each.get("series", {}).items():
            if y > 0:
                found.setdefault(each["curve"], {}).setdefault(label, []).append((each["x"], y))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Write the pictures and print their names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots")
    parser.add_argument("result", type=Path, help="JSON that benchmarks.jobs.scaling printed with --json")
    parser.add_argument("folder", type=Path, help="folder for the pictures")
    options = parser.parse_args(arguments)
    figures = json.loads(options.result.read_text(encoding="utf-8"))["benchmarks"]
    for curve, lines in curves(figures).items():
        file = options.folder / f"scaling-{curve}.svg"
        draw(file, *AXES[curve], lines)
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
