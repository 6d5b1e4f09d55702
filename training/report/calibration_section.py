"""The part of a report page that shows how far probabilities can be trusted."""

from collections.abc import Mapping, Sequence

from training.calibration.measure import SHOWN_PLACES, Measured, ReliabilityBin
from training.report.charts import Scale, tick_labels
from training.report.markup import folded, paragraph, section, table, text

_NOTE = (
    "Of all papers with a probability of 5 % in the digests of users with likes, 5 % should be liked or saved. Points "
    "on the dashed line are exact; points below it promise too much. Digests of which a user liked nothing count too. "
    "Each user's digests are judged by a calibration that was fitted on other held-out users."
)


def calibration_section(measured: Mapping[str, Measured], problem: str) -> str:
    """Return the reliability curve, the calibration error and the length of cut lists for each data set.

    Args:
        problem: Why there is no calibration; empty if there is one.
    """
    if problem:
        return section("Calibration", paragraph(f"The bundle gives no probabilities: {problem}."))
    parts = [part for name, each in measured.items() for part in _data_set(name, each)]
    return section("Calibration", *parts, note=_NOTE)


def _data_set(name: str, found: Measured) -> list[str]:
    counts = f"{found.digests} digests of {found.users} users with {found.likes} likes"
    errors = (
        f"{name}: {counts}. Expected calibration error: {found.error:.4f} over all papers, and {found.shown_error:.4f} "
        f"over the first {SHOWN_PLACES} papers of each digest, which the curve shows."
    )
    label = f"Observed share of liked papers by predicted probability, {name}"
    bins = [[f"{each.predicted:.2%}", f"{each.observed:.2%}", f"{each.papers:g}"] for each in found.shown_bins]
    lengths = [
        [
            f"{each.threshold:g}",
            f"{each.papers:.1f}",
            f"{each.empty:.0%}",
            "" if each.precision is None else f"{each.precision:.1%}",
            f"{each.recall:.1%}",
        ]
        for each in found.lengths
    ]
    return [
        f"<h3>{text(name)}</h3>",
        paragraph(errors),
        reliability_curve(found.shown_bins, label),
        folded("The curve in numbers", table(["predicted", "observed", "papers"], bins)),
        paragraph("Lists that end where the probability falls below min_probability:"),
        table(["min_probability", "papers", "empty lists", "precision", "recall"], lengths),
    ]


def reliability_curve(bins: Sequence[ReliabilityBin], label: str) -> str:
    """Return a line through predicted and observed shares, with a dashed diagonal; ``label`` describes it."""
    scale = Scale.over([0.0, *(value for each in bins for value in (each.predicted, each.observed))])
    points = " ".join(f"{scale.place(each.predicted)},{round(100 - scale.place(each.observed), 2)}" for each in bins)
    levels = [(tick, round(100 - scale.place(tick), 2)) for tick in scale.ticks()]
    grid = "".join(f'<line class="grid" x1="0" x2="100" y1="{place}" y2="{place}"/>' for _, place in levels)
    names = "".join(f'<span style="top:{place}%">{tick:g}</span>' for tick, place in levels)
    return (
        f'<div class="curve"><div class="levels" aria-hidden="true">{names}</div>'
        f'<svg role="img" aria-label="{text(label)}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f'{grid}<line class="stop open" x1="0" x2="100" y1="100" y2="0"/>'
        f'<polyline class="ranker" points="{points}"/></svg>{tick_labels(scale, scale.ticks())}</div>'
    )
