"""GetFeed of a server process against a bare grpcio server that runs the reference model and returns as many bytes.

    python -m benchmarks.serving.serve --json
    python -m benchmarks.serving.serve --db postgresql://postgres@127.0.0.1/test --json

Two server processes, ``paperfeed serve`` on a made-up database and the floor (``benchmarks.serving.floor_server``), are asked
by the same client processes in turn, round after round. Everything is warm: digest, bundle and the profiles of all 500
users. Each request is for the next user; reasons are on, 20 papers of 77, without abstracts, and every slate is logged.

Clients are closed loops, which call again when they have their answer, or send at random times at a given rate, a share
of what the closed loops got through: then the time counts from when a call was meant to be sent.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import compared, figure, percentiles, report, significant
from benchmarks.jobs.population import PAPERS
from benchmarks.serving.pair import RECORD_EVENTS, Pair, feed_request, like_request, two_servers
from benchmarks.serving.processes import Callers, Heard, Server
from ranker.bundle.bundle import default_bundle_path

ONE_CLIENT_BUDGET, CLIENTS_BUDGET, AFTER_EVENT_BUDGET = 2.0, 0.45, 4.0
USERS, CLIENTS = 500, 16
RATES = (0.5, 0.8, 0.95)
LEAD_SECONDS = 0.3
"""So long before a job begins all clients have been told of it."""


def one_client(pair: Pair, caller: Callers) -> Iterator[dict[str, Any]]:
    """One call after another, of known profiles and of profiles with a new event."""
    options = pair.options
    real, floor, cpu = [], [], []
    for _ in range(options.rounds):
        began = pair.real.cpu_seconds()
        heard = caller.run({**pair.real.target, "calls": options.calls}).all_succeeded()
        cpu.append((pair.real.cpu_seconds() - began) * 1_000 / options.calls)
        real.append(heard.milliseconds)
        floor.append(caller.run({**pair.floor.target, "calls": options.calls}).all_succeeded().milliseconds)
    yield latencies("GetFeed, one client: p50, ms", real, floor, ONE_CLIENT_BUDGET) | {
        "server_cpu_ms_per_call": significant(statistics.median(cpu))
    }
    real, floor = [], []
    for turn in range(options.rounds):
        first = turn * options.calls
        events = [like_request(i % options.users, i % options.papers) for i in range(first, first + options.calls)]
        before = [event.SerializeToString().hex() for event in events]
        job = {"offset": first, "before_method": RECORD_EVENTS, "before": before}
        real.append(caller.run({**pair.real.target, "calls": options.calls, **job}).all_succeeded().milliseconds)
        floor.append(caller.run({**pair.floor.target, "calls": options.calls}).all_succeeded().milliseconds)
    yield latencies("first GetFeed after a new event, one client: p50, ms", real, floor, AFTER_EVENT_BUDGET)


def latencies(name: str, real: list[list[float]], floor: list[list[float]], budget: float) -> dict[str, Any]:
    """The median of the rounds' medians, and how the single calls are spread."""
    value, least, spreads = compared(*([statistics.median(each) for each in rounds] for rounds in (real, floor)))
    tails = {
        "percentiles": percentiles([each for one in real for each in one]),
        "floor_percentiles": percentiles([each for one in floor for each in one]),
    }
    return figure(name, value, least, at_most=budget, **spreads, **tails)


def timed(server: Server, callers: Callers, seconds: float, **job: object) -> tuple[Heard, float]:
    """What clients heard between two moments, and the server's processor milliseconds for each of their calls."""
    start = time.monotonic() + LEAD_SECONDS
    began = server.cpu_seconds()
    heard = callers.run({**server.target, "start": start, "end": start + seconds, **job})
    cpu = (server.cpu_seconds() - began) * 1_000 / max(1, len(heard.ends))
    kept = [i for i, end in enumerate(heard.ends) if "rate" in job or end <= start + seconds]
    ends, milliseconds = [heard.ends[i] for i in kept], [heard.milliseconds[i] for i in kept]
    return Heard(ends, milliseconds, heard.failures), cpu


def closed_loops(pair: Pair, callers: Callers) -> Iterator[dict[str, Any]]:
    """Calls a second of clients that each call again when they have their answer."""
    options = pair.options
    found: dict[str, list[tuple[Heard, float]]] = {"real": [], "floor": []}
    for _ in range(options.client_rounds):
        for name, server in (("real", pair.real), ("floor", pair.floor)):
            heard, cpu = timed(server, callers, options.seconds)
            found[name].append((heard.all_succeeded(), cpu))
    rates = {name: [len(heard.ends) / options.seconds for heard, _ in rounds] for name, rounds in found.items()}
    value, floor, spreads = compared(rates["real"], rates["floor"])
    waits = {name: [each for heard, _ in rounds for each in heard.milliseconds] for name, rounds in found.items()}
    yield figure(
        f"GetFeed, {options.clients} clients in processes of their own: calls a second",
        value,
        floor,
        at_least=CLIENTS_BUDGET,
        **spreads,
        percentiles_ms=percentiles(waits["real"]),
        floor_percentiles_ms=percentiles(waits["floor"]),
    )
    cpu, floor_cpu, spreads = compared(*([each for _, each in found[name]] for name in ("real", "floor")))
    yield figure(f"GetFeed, {options.clients} clients: server processor ms a call", cpu, floor_cpu, **spreads)


def at_rates(pair: Pair, callers: Callers, capacities: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Latency when calls come at random times, each server at the same shares of what it can do."""
    options = pair.options
    for share in options.rates:
        found = {}
        for name, server in (("real", pair.real), ("floor", pair.floor)):
            rate = capacities[name] * share
            job = {"rate": rate / options.clients, "seed": share}
            found[name] = (timed(server, callers, options.open_seconds, **job)[0], rate)
        (heard, rate), (floor, floor_rate) = found["real"], found["floor"]
        yield figure(
            f"GetFeed, calls at random times at {share:.0%} of capacity: p50 from when each was due, ms",
            statistics.median(heard.milliseconds),
            statistics.median(floor.milliseconds),
            calls_per_second=significant(rate),
            floor_calls_per_second=significant(floor_rate),
            percentiles=percentiles(heard.milliseconds),
            floor_percentiles=percentiles(floor.milliseconds),
            calls=len(heard.ends),
            refused=dict(heard.failures),
        )


def measured(pair: Pair) -> Iterator[dict[str, Any]]:
    """All figures."""
    options = pair.options
    for count, measure in ((1, one_client), (options.clients, closed_loops)):
        callers = Callers(count, [feed_request(number).SerializeToString() for number in range(options.users)])
        try:
            # Profiles get into memory, and every thread of the servers has worked.
            for server in (pair.real, pair.floor):
                callers.run({**server.target, "calls": 2 * options.users // count}).all_succeeded()
            found = list(measure(pair, callers))
            yield from found
            if count > 1 and options.rates:
                capacities = {"real": found[0]["value"], "floor": found[0]["floor"]}
                yield from at_rates(pair, callers, capacities)
        finally:
            callers.close()
    megabytes = [sum(server.resident()) for server in (pair.real, pair.floor)]
    yield figure("server's resident MB afterwards", *megabytes)


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures; 1 where a budget does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.serve")
    parser.add_argument("--db", help="PostgreSQL server, by URL; default: SQLite in a new file")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--users", type=int, default=USERS, help="whose turn it is")
    parser.add_argument("--papers", type=int, default=PAPERS, help="that users may like")
    parser.add_argument("--rounds", type=int, default=12, help="of one client, each server in turn")
    parser.add_argument("--calls", type=int, default=80, help="in each of these rounds")
    parser.add_argument("--clients", type=int, default=CLIENTS, help="at the same time")
    parser.add_argument("--client-rounds", type=int, default=5, help="of all clients, each server in turn")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each of these rounds")
    parser.add_argument("--rates", type=float, nargs="*", default=RATES, help="shares of capacity, for random calls")
    parser.add_argument("--open-seconds", type=float, default=10.0, help="of random calls, at each rate")
    parser.add_argument(
        "--serve-option",
        action="append",
        default=[],
        help="a further word for paperfeed serve, as --serve-option=WORD; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, two_servers(options, Path(folder)) as pair:
        figures = list(measured(pair))
    return report(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
