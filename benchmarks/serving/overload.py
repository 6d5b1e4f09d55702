"""Measure a server that gets more calls than it can serve, and compare numbers of threads.

    python -m benchmarks.serving.overload --json                       # about five minutes
    python -m benchmarks.serving.overload --threads 1 2 4 16 --json     # first compares settings of PAPERFEED_THREADS

The calls are GetFeed with reasons for 500 users, 77 candidates and 30 likes, on SQLite with the shipped bundle. Before
each load, one caller measures the latency, and 16 callers measure the capacity. Then calls come at a fixed mean rate,
as from independent callers: half the capacity, the capacity, twice and four times the capacity. The driver is a process
that shares the processors with the server, so the capacity is that beside the driver.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import figure, report
from benchmarks.jobs.population import CANDIDATES, DIGEST, LIKES, fill
from benchmarks.serving.driver import REFUSED, Calls, drive
from benchmarks.serving.processes import Server, paperfeed
from service.encoder import DEFAULT_MODEL

USERS = 500
CALLERS = 16
PAUSE_SECONDS = 2.0
TRANSITION_SECONDS = 2.0
"""Time until the server sheds load: it first takes the load for a burst. The result shows this time apart."""
FACTORS = (0.5, 1.0, 2.0, 4.0)
GOODPUT_BUDGET, LATENCY_BUDGET = 0.3, 5.0


def latencies(calls: Calls) -> dict[str, float]:
    """Return percentiles of the successful calls."""
    return {"p50_ms": round(calls.percentile(50), 2), "p99_ms": round(calls.percentile(99), 2)}


def unloaded(server: Server, seconds: float) -> dict[str, Any]:
    """Return the latency of one caller, the capacity with 16 callers, and the processor time of a call."""
    alone = drive(server.address, USERS, seconds, "callers", 1)
    before = server.cpu_seconds()
    many = drive(server.address, USERS, seconds, "callers", CALLERS)
    used = server.cpu_seconds() - before
    return {
        "alone": latencies(alone),
        "with_16_callers": latencies(many),
        "capacity_per_second": round(len(many.accepted) / seconds, 1),
        "processor_ms_per_call": round(1_000 * used / max(len(many.accepted), 1), 2),
    }


def loaded(server: Server, factor: float, seconds: float) -> dict[str, Any]:
    """Return measurements of the server without load, and with ``factor`` times its capacity."""
    base = unloaded(server, seconds / 3)
    time.sleep(PAUSE_SECONDS)
    rate = factor * base["capacity_per_second"]
    before = server.cpu_seconds()
    calls = drive(server.address, USERS, seconds + TRANSITION_SECONDS, "rate", rate)
    used = server.cpu_seconds() - before
    time.sleep(PAUSE_SECONDS)
    steady = calls.after(TRANSITION_SECONDS)
    refused = len(calls.calls) - len(calls.accepted)
    result = {
        "factor": factor,
        "offered_per_second": round(len(steady.calls) / seconds, 1),
        "unloaded": base,
        "goodput_share": round(len(steady.accepted) / seconds / base["capacity_per_second"], 3),
        **latencies(steady),
        "p99_times_unloaded": round(steady.percentile(99) / base["alone"]["p99_ms"], 2),
        "p99_ms_with_the_first_seconds": round(calls.percentile(99), 2),
        "ended": steady.outcomes,
    }
    if refused > len(calls.accepted) / 2:
        served_ms = base["processor_ms_per_call"] * len(calls.accepted)
        result["processor_ms_per_refusal"] = round((1_000 * used - served_ms) / refused, 3)
    return result


def judged(loads: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the entries of the result."""
    entries = []
    for load in loads:
        if load["factor"] < 2:
            continue
        where = f"at {load['factor']:g} times the capacity{name}"
        share, floor = load["goodput_share"], load["unloaded"]["capacity_per_second"]
        alone = load["unloaded"]["alone"]["p99_ms"]
        entries += [
            figure(f"calls answered a second {where}", share * floor, floor, at_least=GOODPUT_BUDGET),
            figure(f"p99 of accepted calls {where}, ms", load["p99_ms"], alone, at_most=LATENCY_BUDGET),
        ]
        failed = sum(count for kind, count in load["ended"].items() if not kind.startswith("OK") and kind != REFUSED)
        entries.append(figure(f"calls that failed otherwise {where}", failed, at_most=0))
    return entries


def precompute(url: str, folder: Path) -> None:
    """Precompute a slate for each user."""
    command = [sys.executable, "-m", "cli.main", "batch", "rerank", "--db", url, "--to-store", "--digest", DIGEST]
    subprocess.run([*command, "--out", str(folder / "slates"), "--workers", "1"], check=True, capture_output=True)


def main() -> int:
    """Print the result; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.overload")
    parser.add_argument("--threads", type=int, nargs="*", default=[], help="numbers of threads to compare first")
    parser.add_argument("--seconds", type=float, default=18.0, help="seconds of each load")
    parser.add_argument("--precomputed", action="store_true", help="measure again with precomputed slates")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/overload.db"
        fill(url, USERS, DEFAULT_MODEL)

        def serve(**settings: Any) -> Any:
            return paperfeed(folder / "log", db=url, log_level="WARNING", **settings)

        if options.threads:
            details["threads"] = []
            for threads in options.threads:
                with serve(threads=threads) as server:
                    drive(server.address, USERS, 0, "once", 4)
                    one = unloaded(server, options.seconds / 2)
                details["threads"].append({"threads": threads} | one)
                capacity = one["capacity_per_second"]
                found.append(figure(f"calls a second, threads: {threads}", capacity, **one["with_16_callers"]))
        for is_precomputed in [False, *([True] if options.precomputed else [])]:
            if is_precomputed:
                precompute(url, folder)
            with serve() as server:
                drive(server.address, USERS, 0, "once", 4)
                loads = [loaded(server, factor, options.seconds) for factor in FACTORS]
            which = ", precomputed slates" if is_precomputed else ""
            details[f"loads{which}"] = loads
            found += judged(loads, which)
    setting = {"readers": USERS, "candidates": CANDIDATES, "likes": LIKES, "seconds": options.seconds}
    return report(found, as_json=options.json, details=details, **setting)


if __name__ == "__main__":
    sys.exit(main())
