"""The output of every benchmark: figures with floors and budgets, and a record of how they were made."""

import datetime as dt
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LIBRARIES = ("grpcio", "lightgbm", "numpy", "sqlalchemy")
_DIGITS = 4
_PASSWORD = re.compile(r"(://[^/:@]*):[^/@]*(?=@)")


def figure(
    name: str,
    value: float,
    floor: float | None = None,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    judged: float | None = None,
    **facts: object,
) -> dict[str, Any]:
    """Return one entry of a result.

    Args:
        floor: A bound that the value cannot beat, measured in the same run and unit; None if there is none.
        at_most: The budget, if less is better.
        at_least: The budget, if more is better; give one of the two at most.
        judged: The number that the budget limits; by default value / floor, or the value if there is no floor.
        facts: Further keys of the entry.
    """
    ratio = None if floor is None else value / floor
    if judged is None:
        judged = value if ratio is None else ratio
    budget = at_least if at_most is None else at_most
    holds = None if budget is None else bool(judged <= budget if at_most is not None else judged >= budget)
    return {
        "name": name,
        "value": significant(value),
        "floor": significant(floor),
        "ratio": significant(ratio),
        "budget": budget,
        "holds": holds,
        **facts,
    }


def significant(value: float | None) -> float | None:
    """Return the value with four significant digits; whole numbers stay as they are."""
    if value is None or value == int(value):
        return value
    rounded = float(f"{value:.{_DIGITS}g}")
    return int(rounded) if abs(rounded) >= 10**_DIGITS else rounded


def percentiles(values: Sequence[float], wanted: Sequence[float] = (50, 90, 99, 99.9)) -> dict[str, float | None]:
    """Return percentiles by nearest rank, so each is one of the values."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return {f"p{each:g}": significant(ordered[round(last * each / 100)]) for each in wanted} if ordered else {}


def spread(values: Sequence[float]) -> list[float | None]:
    """Return the least and the greatest value."""
    return [significant(min(values)), significant(max(values))]


def compared(values: Sequence[float], floors: Sequence[float]) -> tuple[float, float, dict[str, object]]:
    """Return the median value, the median floor, and the spread of values, floors and their ratios over the rounds."""
    ratios = [value / floor for value, floor in zip(values, floors, strict=True)]
    spreads = {"rounds": len(values), "value_spread": spread(values), "floor_spread": spread(floors)}
    return statistics.median(values), statistics.median(floors), {**spreads, "ratio_spread": spread(ratios)}


def report(
    figures: Sequence[dict[str, Any]], *, as_json: bool, details: Mapping[str, object] | None = None, **facts: object
) -> int:
    """Print a result as one line of JSON, or as a line for each figure.

    Args:
        details: Further keys of the JSON; not printed otherwise.
        facts: Further keys of ``made_by``.

    Returns:
        The exit code: 1 if a budget is missed.
    """
    if as_json:
        print(json.dumps({"benchmarks": list(figures), **(details or {}), "made_by": made_by(**facts)}))
    else:
        for each in figures:
            print(_line(each))
    return int(any(each["holds"] is False for each in figures))


def made_by(**facts: object) -> dict[str, Any]:
    """Return the command, the facts, the day, the version of the sources, and the machine."""
    day = dt.datetime.now(dt.UTC).date().isoformat()
    return {"command": _command(), **facts, "date": day, "commit": _commit(), "hardware": hardware()}


def hardware() -> dict[str, Any]:
    """Return the machine and its load averages over the last 1 and 15 minutes."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    load = os.getloadavg()
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": [round(load[0], 2), round(load[2], 2)],
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def _command() -> str:
    parts, name = Path(sys.argv[0]).with_suffix("").parts, "paperfeed"
    if "benchmarks" in parts:
        module = [part for part in parts[parts.index("benchmarks") :] if part != "__main__"]
        name = f"python -m {'.'.join(module)}"
    return " ".join([name, *(_PASSWORD.sub(r"\1", word) for word in sys.argv[1:])])


def _commit() -> str:
    """Return the version of the sources, marked if they were changed since. Results made anew do not count."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)benchmarks/results")
    return _git("describe", "--always") + ("-dirty" if changed else "")


def _git(*words: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _line(entry: dict[str, Any]) -> str:
    words = [f"{entry['name']}: {entry['value']:,}"]
    if entry["floor"] is not None:
        words.append(f"floor {entry['floor']:,}, ratio {entry['ratio']:,}")
    if entry["budget"] is not None:
        words.append(f"budget {entry['budget']:,}: {'met' if entry['holds'] else 'MISSED'}")
    named = ("name", "value", "floor", "ratio", "budget", "holds")
    words += [f"{name} {value}" for name, value in entry.items() if name not in named]
    return ", ".join(words)
