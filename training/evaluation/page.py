"""The result of an evaluation as one self-contained page: no script, no font, nothing fetched."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem } td, th { padding: 0.2rem 0.8rem; text-align: right }
td:first-child, th:first-child { text-align: left } tr + tr { border-top: 1px solid #ddd } .beats { color: #06703a }
rect.ranker { fill: #2563a8 } rect.baseline { fill: #a9b4c0 } line { stroke: #1a1a1a } text { font-size: 13px }
"""
_BAR_WIDTH = 420.0
_ROW_HEIGHT = 24


def page(result: dict[str, Any]) -> str:
    """HTML for someone who decides whether a model is good enough."""
    settings = result["settings"]
    title = f"{result['protocol']}: {result['queries']} queries of {settings['readers_tested']} readers"
    metrics = list(next(iter(result["systems"].values())))
    parts = [f"<h1>{html.escape(title)}</h1>", _facts(result)]
    for metric in metrics:
        parts += [f"<h2>{html.escape(metric)}</h2>", _bars(result, metric)]
    for system, paired in result["paired"].items():
        rows = [[name, *(_difference(found[metric]) for metric in metrics)] for name, found in paired.items()]
        parts += [f"<h2>{html.escape(system)} minus each baseline</h2>", _table(["baseline", *metrics], rows)]
    parts += ["<h2>By slice, minus the best baseline of the slice</h2>", _slices(result, metrics)]
    parts += ["<h2>Beyond accuracy</h2>", _beyond(result)]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _facts(result: dict[str, Any]) -> str:
    settings = result["settings"]
    facts = [
        f"bundle: {', '.join(settings['bundle'])}",
        f"encoder: {settings['encoder']}",
        f"data: {settings['data']['name']}, fingerprint {settings['data']['fingerprint'][:12]}",
        "intervals: 95 %, readers resampled; green: the whole interval lies above zero; * the best baseline",
        *(f"{name} left out: {reason}" for name, reason in result["skipped"].items()),
        *settings["warnings"],
    ]
    return f"<ul>{''.join(f'<li>{html.escape(fact)}</li>' for fact in facts)}</ul>"


def _bars(result: dict[str, Any], metric: str) -> str:
    """One bar for each system, with its interval as a line."""
    systems = result["systems"]
    widest = max([systems[name][metric]["high"] or systems[name][metric]["mean"] for name in systems] + [1e-9])
    rows = []
    for number, (name, figures) in enumerate(systems.items()):
        figure, top = figures[metric], number * _ROW_HEIGHT
        kind = "ranker" if name in result["paired"] else "baseline"
        width = _BAR_WIDTH * figure["mean"] / widest
        rows.append(f'<text x="0" y="{top + 16}">{html.escape(name)}</text>')
        rows.append(f'<rect class="{kind}" x="230" y="{top + 4}" width="{width:.1f}" height="15"/>')
        if figure["low"] is not None:
            ends = [230 + _BAR_WIDTH * figure[end] / widest for end in ("low", "high")]
            rows.append(f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{top + 11}" y2="{top + 11}"/>')
        rows.append(f'<text x="{240 + _BAR_WIDTH}" y="{top + 16}">{figure["mean"]:.3f}</text>')
    height = _ROW_HEIGHT * len(systems)
    label = f"{metric} of each system with its 95 % interval"
    return f'<svg role="img" aria-label="{html.escape(label)}" width="730" height="{height}">{"".join(rows)}</svg>'


def _slices(result: dict[str, Any], metrics: Sequence[str]) -> str:
    rows = []
    for kind, parts in result["slices"].items():
        for part in parts:
            bounds = f"{part['from']} to {part['to']}" if part["to"] else f"from {part['from']}"
            label = f"{kind.replace('_', ' ')} {bounds}"
            for system, found in part["systems"].items():
                rows.append([label, system, str(part["queries"]), *(_against_best(found[m]) for m in metrics)])
    return _table(["slice", "system", "queries", *metrics], rows)


def _beyond(result: dict[str, Any]) -> str:
    systems = result["beyond_accuracy"]["systems"]
    measures = list(next(iter(systems.values())))
    rows = [
        [name, *("-" if values[each] is None else f"{values[each]:.3f}" for each in measures)]
        for name, values in systems.items()
    ]
    return _table(["system", *(each.replace("_", " ") for each in measures)], rows)


def _difference(found: dict[str, Any]) -> str:
    if found["low"] is None:
        return f"{found['mean']:+.3f}"
    star = " *" if found.get("best") else ""
    return f"{found['mean']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f}){' ✓' if found['beats'] else ''}{star}"


def _against_best(found: dict[str, Any]) -> str:
    return "-" if found["best_baseline"] is None else f"{_difference(found['difference'])} {found['best_baseline']}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells with a tick are green."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _cell(text: str) -> str:
    kind = ' class="beats"' if "✓" in text else ""
    return f"<td{kind}>{html.escape(text)}</td>"
