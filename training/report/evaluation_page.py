"""The report page of ``paperfeed evaluate``."""

from collections.abc import Iterable, Iterator
from typing import Any

from training.report.charts import Row, intervals
from training.report.markup import bullets, document, folded, section, table, verdict
from training.report.verdict import SLICE_NAMES, bounds_of, kind_of, verdict_of, words_of

_KEY = (
    "Green: the whole 95 % interval lies above zero, so the ranker beats the baseline. Red: it lies below zero. Amber: "
    "the data do not decide. A star marks the best baseline of the metric; an arrow stands for a value far outside."
)


def evaluation_page(result: dict[str, Any]) -> str:
    """Return the page of a result, as ``--json`` prints it; the same result gives the same page."""
    settings = result["settings"]
    title = f"{result['protocol']} on {settings['data']['name']}: is the ranker better than the baselines?"
    parts = [verdict(*verdict_of(result)), _figures(result)]
    for name, paired in list(result["paired"].items())[:1]:
        parts.append(
            section(f"{name} minus each baseline, on the same queries", *_difference_charts(paired), note=_KEY)
        )
    parts += [_slices(result), _variants(result), _beyond(result), _settings(result)]
    return document(title, parts)


def _figures(result: dict[str, Any]) -> str:
    """Return a chart of all systems for each metric."""
    metrics = list(next(iter(result["systems"].values())))
    note = (
        f"{result['queries']} queries of {result['settings']['readers_tested']} users. Mean and 95 % interval "
        "(users resampled); higher is better."
    )
    charts = []
    for metric in metrics:
        rows = [
            figure_row(name, figures[metric], "ranker" if name in result["paired"] else "baseline")
            for name, figures in result["systems"].items()
        ]
        charts += [f"<h3>{metric}</h3>", intervals(("system", metric), rows)]
    return section("Figures", *charts, note=note)


def figure_row(name: str, figure: dict[str, Any], kind: str) -> Row:
    """Return the row of a figure with its interval."""
    return Row(name, words_of(figure, sign=""), figure["mean"], figure["low"], figure["high"], kind)


def _difference_charts(paired: dict[str, Any]) -> Iterator[str]:
    for metric in next(iter(paired.values()), {}):
        rows = [
            _difference_row(f"{name}{' *' if metrics[metric]['best'] else ''}", metrics[metric])
            for name, metrics in paired.items()
        ]
        yield f"<h3>{metric}</h3>" + intervals(("baseline", "difference"), rows, with_zero=True)


def _difference_row(label: str, found: dict[str, Any], note: str = "") -> Row:
    mark = {"good": " ✓", "bad": " ✗", "open": ""}[kind_of(found)]
    return Row(label, f"{words_of(found)}{mark}{note}", found["mean"], found["low"], found["high"], kind_of(found))


def _slices(result: dict[str, Any]) -> str:
    ranker = next(iter(result["paired"]), None)
    charts = []
    for kind, parts in result["slices"].items():
        if len(parts) < 2:
            continue  # the same as all queries
        for metric in next(iter(result["systems"].values())):
            rows = [row for part in parts for row in _slice_rows(part, ranker, metric)]
            if rows:
                charts += [
                    f"<h3>{metric} by {SLICE_NAMES[kind]}</h3>",
                    intervals(("slice", "difference"), rows, with_zero=True),
                ]
    return section("By slice, minus the best baseline of the slice", *charts, note=_KEY) if charts else ""


def _slice_rows(part: dict[str, Any], ranker: str | None, metric: str) -> Iterator[Row]:
    found = part["systems"].get(ranker, {}).get(metric)
    if found is not None and found["best_baseline"] is not None:
        label = f"{bounds_of(part)}: {part['queries']} queries"
        yield _difference_row(label, found["difference"], f", {found['best_baseline']}")


def _variants(result: dict[str, Any]) -> str:
    """Return the ranker without each family; folded, because there may be many."""
    variants = list(result["paired"].items())[1:]
    parts = [folded(f"{name} minus each baseline", *_difference_charts(paired)) for name, paired in variants]
    return section("Without a family of features", *parts, note=_KEY) if parts else ""


def _beyond(result: dict[str, Any]) -> str:
    found = result["beyond_accuracy"]
    measures = list(next(iter(found["systems"].values())))
    rows = [
        [name, *("-" if values[each] is None else f"{values[each]:.3f}" for each in measures)]
        for name, values in found["systems"].items()
    ]
    note = (
        f"Of the first {found['top']} papers. Topic coverage: distinct topics over papers. Intra-list diversity: 1 - "
        "mean cosine. Novelty: mean -log2 popularity. Overlap: mean Jaccard index of two users' lists."
    )
    return section(
        "Beyond accuracy", table(["system", *(each.replace("_", " ") for each in measures)], rows), note=note
    )


def _settings(result: dict[str, Any]) -> str:
    settings = result["settings"]
    data = settings["data"]
    facts = [
        f"bundle: {', '.join(settings['bundle'])}, {'trained here' if settings['trained_here'] else 'given'}",
        f"encoder: {settings['encoder']}; a public one may itself have been trained on some of these papers",
        f"recipe of bundles trained here: {settings['recipe']}",
        f"data: {data['name']}, {data['papers']} papers, {data['likes']} likes of {data['readers']} users",
        f"fingerprint of the data: {data['fingerprint']}",
        f"seeds: {_joined(settings['seeds'])}",
        *([f"weeks that begin from {settings['from']} to {settings['to']}"] if settings["from"] else []),
        *([f"users drawn at random: {settings['max_users']}"] if settings["max_users"] else []),
        *([f"trained without: {_joined(settings['trained_without'])}"] if settings["trained_without"] else []),
        f"seconds: {_joined(f'{what} {spent:g}' for what, spent in settings['durations_seconds'].items())}",
    ]
    baselines = [
        f"{name}: {_joined(f'{key} {value}' for key, value in chosen.items()) or 'no parameters'}"
        for name, chosen in settings["baselines"].items()
    ]
    return section("How it was measured", bullets(facts), folded("Settings of the baselines", bullets(baselines)))


def _joined(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
