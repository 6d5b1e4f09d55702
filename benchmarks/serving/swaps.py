"""Measure what clients notice while a server swaps bundles: failed calls, latency and memory.

    python -m benchmarks.serving.swaps --json            # about three minutes on two idle cores

The calls are GetFeed with reasons for 500 users from 16 callers, with 77 candidates and 30 likes, on SQLite. Two
bundles of equal content but different versions are promoted in turn, each as soon as the one before serves, so the
server loads and warms a bundle all the time. Memory is compared before the first and after the last swap, each time
after a quiet load. This needs Linux, because memory is read from /proc.
"""

import argparse
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import figure, report
from benchmarks.jobs.population import CANDIDATES, LIKES, fill
from benchmarks.serving.driver import Calls, drive
from benchmarks.serving.processes import paperfeed
from paperfeed.client import Client
from paperfeed.v1.model_pb2 import PromoteModelRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from ranker.bundle.bundle import default_bundle_path
from service.encoder import DEFAULT_MODEL
from testing.models import register, reseal

USERS = 500
CALLERS = 16
LATENCY_BUDGET, MEMORY_BUDGET = 3.0, 1.1
WINDOW_SECONDS = 10.0
MAX_SWAP_SECONDS = 120.0


def swap(client: Client, version: str) -> float:
    """Promote a bundle; return the seconds until it serves.

    Raises:
        RuntimeError: It does not serve in time.
    """
    start = time.monotonic()
    client.models.PromoteModel(PromoteModelRequest(model_version=version, force=True))
    while client.status.GetStatus(GetStatusRequest()).model_version != version:
        if time.monotonic() - start > MAX_SWAP_SECONDS:
            raise RuntimeError(f"{version} does not serve after {MAX_SWAP_SECONDS:.0f} seconds")
        time.sleep(0.02)
    return time.monotonic() - start


def during(address: str, versions: list[str], count: int) -> tuple[Calls, list[float]]:
    """Swap ``count`` times under load; return the calls meanwhile, and the seconds of each swap."""
    found: list[tuple[float, float, str]] = []
    with Client(address, timeout=60) as client, ThreadPoolExecutor(1) as pool:
        swaps = pool.submit(lambda: [swap(client, versions[number % len(versions)]) for number in range(count)])
        while not swaps.done():
            found += drive(address, USERS, WINDOW_SECONDS, "callers", CALLERS).calls
        return Calls(found), swaps.result()


def main() -> int:
    """Print the result; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.swaps")
    parser.add_argument("--swaps", type=int, default=20, help="number of swaps")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds of each quiet load")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url, registry = f"sqlite:///{folder}/swaps.db", folder / "registry"
        fill(url, USERS, DEFAULT_MODEL)
        copies = [shutil.copytree(default_bundle_path(), folder / copy) for copy in ("first", "second")]
        for copy in copies:
            reseal(copy, version=f"{copy.name}-copy", recipe=copy.name)
        with paperfeed(folder / "log", db=url, registry=registry, log_level="WARNING") as server:
            with Client(server.address) as client:
                versions = [register(client, registry, copy).model_version for copy in copies]
            drive(server.address, USERS, 0, "once", 4)
            quiet = drive(server.address, USERS, options.seconds, "callers", CALLERS)
            before, _ = server.resident()
            swapped, seconds = during(server.address, versions, options.swaps)
            drive(server.address, USERS, options.seconds, "callers", CALLERS)
            after, _ = server.resident()
    found = [
        figure("calls that failed during swaps", swapped.failed, at_most=0),
        figure(
            "p99 of GetFeed during swaps, ms",
            swapped.percentile(99),
            quiet.percentile(99),
            at_most=LATENCY_BUDGET,
            p50_ms=round(swapped.percentile(50), 2),
            quiet_p50_ms=round(quiet.percentile(50), 2),
        ),
        figure("memory after the swaps, MB", after, before, at_most=MEMORY_BUDGET),
        figure("seconds from a promotion until its bundle serves, longest", max(seconds)),
    ]
    setting = {"users": USERS, "callers": CALLERS, "candidates": CANDIDATES, "likes": LIKES, "swaps": options.swaps}
    return report(found, as_json=options.json, details={"ended": swapped.outcomes}, **setting)


if __name__ == "__main__":
    sys.exit(main())
