"""The results of an evaluation as tables for people."""

from collections.abc import Iterator
from typing import Any

from rich.table import Column, Table


def tables(result: dict[str, Any]) -> Iterator[Table]:
    """Yield the figures, differences to baselines, slices, and measures beyond accuracy."""
    yield _figures(result)
    for system, paired in result["paired"].items():
        yield _differences(system, paired)
    yield _slices(result)
    yield _beyond(result)


def _figures(result: dict[str, Any]) -> Table:
    metrics = list(next(iter(result["systems"].values())))
    settings = result["settings"]
    table = _table(
        "system", metrics, f"{result['protocol']}: {result['queries']} queries of {settings['readers_tested']} users"
    )
    table.caption = "; ".join(f"{name} left out: {reason}" for name, reason in result["skipped"].items()) or None
    for system, figures in result["systems"].items():
        table.add_row(system, *(_interval(figures[metric]) for metric in metrics))
    return table


def _differences(system: str, paired: dict[str, Any]) -> Table:
    metrics = list(next(iter(paired.values()))) if paired else []
    table = _table("baseline", metrics, f"{system} minus baseline, paired (✓ interval above zero; * best baseline)")
    for baseline, differences in paired.items():
        table.add_row(baseline, *(_difference(differences[metric]) for metric in metrics))
    return table


def _slices(result: dict[str, Any]) -> Table:
    """Return the slices of the whole bundle; those of its variants are in the JSON result."""
    metrics = list(next(iter(result["systems"].values())))
    table = Table("slice", "queries", *metrics, title="by slice, minus its best baseline", title_justify="left")
    for kind, parts in result["slices"].items():
        for part in parts:
            for found in list(part["systems"].values())[:1]:
                cells = (_against_best(found[metric]) for metric in metrics)
                table.add_row(f"{kind.replace('_', ' ')} {_bounds(part)}", str(part["queries"]), *cells)
    return table


def _beyond(result: dict[str, Any]) -> Table:
    found = result["beyond_accuracy"]
    measures = list(next(iter(found["systems"].values())))
    table = _table("system", measures, f"beyond accuracy, first {found['top']}")
    for system, values in found["systems"].items():
        table.add_row(system, *("-" if values[name] is None else f"{values[name]:.3f}" for name in measures))
    return table


def _table(first: str, columns: list[str], title: str) -> Table:
    return Table(Column(first, no_wrap=True), *columns, title=title, title_justify="left")


def _bounds(part: dict[str, Any]) -> str:
    return f">{part['from'] - 1}" if part["to"] is None else f"{part['from']}-{part['to']}"


def _interval(figure: dict[str, Any]) -> str:
    """Return the mean and half the width of its interval; the JSON result has the exact ends."""
    half = "" if figure["low"] is None else f" ±{(figure['high'] - figure['low']) / 2:.3f}"
    return f"{figure['mean']:.3f}{half}"


def _difference(found: dict[str, Any]) -> str:
    return f"{_interval(found)}{' ✓' if found['beats'] else ''}{' *' if found.get('best') else ''}"


def _against_best(found: dict[str, Any]) -> str:
    return "-" if found["best_baseline"] is None else f"{_difference(found['difference'])} {found['best_baseline']}"
