"""Compare GetFeed with a bare grpcio server that runs the reference model and returns as many bytes.

    python -m benchmarks.serving.serve --json
    python -m benchmarks.serving.serve --db postgresql://postgres@127.0.0.1/test --json

The same client processes call two servers in turn, round after round: ``paperfeed serve`` on a made-up database, and
the floor (``benchmarks.serving.floor_server``). Digest, bundle and the profiles of all 500 users are in memory. Each
request is for the next user and for 20 of 77 papers, with reasons and without abstracts. Every fifth user has
preferences, and every fiftieth as many as are allowed. Every slate is stored.

Some clients call again as soon as they have an answer (closed loops). Others call at random times, at a share of the
rate of the closed loops, up to twice that rate; then the time counts from when a call was due.
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

ONE_CLIENT_BUDGET, CLIENTS_BUDGET, AFTER_EVENT_BUDGET = 2.5, 0.4, 4.5
USERS, CLIENTS = 500, 16
RATES = (0.5, 0.8, 0.95, 2.0)
MOST_REFUSED = {0.5: 0.0, 0.8: 0.01, 0.95: 0.05}
"""Largest share of calls at random times that may be refused, by their share of the capacity."""
GOODPUT_BUDGET, OVERLOAD_P99_BUDGET = 0.8, 1_200.0
"""Above the capacity: answered calls as a share of the capacity, and the p99 of their latency in ms."""
LEAD_SECONDS = 0.3
"""Time between handing out a job and its start, so that all clients are ready."""


def one_client(pair: Pair, caller: Callers) -> Iterator[dict[str, Any]]:
    """Yield the latency of one client, with profiles in memory and after a new event."""
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
    """Return the median of the rounds' medians, with the percentiles of all calls."""
    value, least, spreads = compared(*([statistics.median(each) for each in rounds] for rounds in (real, floor)))
    tails = {
        "percentiles": percentiles([each for one in real for each in one]),
        "floor_percentiles": percentiles([each for one in floor for each in one]),
    }
    return figure(name, value, least, at_most=budget, **spreads, **tails)


def timed(server: Server, callers: Callers, seconds: float, **job: object) -> tuple[Heard, float]:
    """Let the clients call for some seconds; return their measurements and the server's processor ms per call."""
    start = time.monotonic() + LEAD_SECONDS
    began = server.cpu_seconds()
    heard = callers.run({**server.target, "start": start, "end": start + seconds, **job})
    cpu = (server.cpu_seconds() - began) * 1_000 / max(1, len(heard.ends))
    kept = [i for i, end in enumerate(heard.ends) if "rate" in job or end <= start + seconds]
    ends, milliseconds = [heard.ends[i] for i in kept], [heard.milliseconds[i] for i in kept]
    return Heard(ends, milliseconds, heard.failures), cpu


def closed_loops(pair: Pair, callers: Callers) -> Iterator[dict[str, Any]]:
    """Yield the calls a second, and the processor time of a call, with closed loops."""
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
        f"GetFeed, {options.clients} client processes: calls a second",
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
    """Yield the latency of calls at random times, for each server at shares of its own capacity."""
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
        if share > 1:
            # Answers to calls that were due at the end come later.
            seconds = options.open_seconds + max(heard.milliseconds) / 1_000
            yield figure(
                f"answered calls a second at {share:.0%} of capacity, against the capacity",
                len(heard.ends) / seconds,
                capacities["real"],
                at_least=GOODPUT_BUDGET,
            )
            p99 = statistics.quantiles(heard.milliseconds, n=100)[-1]
            yield figure(f"p99 of the answered calls at {share:.0%} of capacity, ms", p99, at_most=OVERLOAD_P99_BUDGET)
        else:
            refused = heard.failures.total() / (len(heard.ends) + heard.failures.total())
            yield figure(f"share of refused calls at {share:.0%} of capacity", refused, at_most=MOST_REFUSED.get(share))


def measured(pair: Pair) -> Iterator[dict[str, Any]]:
    """Yield all figures."""
    options = pair.options
    for count, measure in ((1, one_client), (options.clients, closed_loops)):
        callers = Callers(count, [feed_request(number).SerializeToString() for number in range(options.users)])
        try:
            # Loads the profiles into memory, and uses every thread of the servers.
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
    yield figure("resident MB of the server afterwards", *megabytes)


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.serve")
    parser.add_argument("--db", help="URL of a PostgreSQL server; default: a new SQLite file")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path(), help="folder of the bundle")
    parser.add_argument("--users", type=int, default=USERS, help="users that feeds are requested for")
    parser.add_argument("--papers", type=int, default=PAPERS, help="papers that users like")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of one client, each server in turn")
    parser.add_argument("--calls", type=int, default=80, help="calls in each of these rounds")
    parser.add_argument("--clients", type=int, default=CLIENTS, help="client processes of the other figures")
    parser.add_argument("--client-rounds", type=int, default=5, help="rounds of all clients, each server in turn")
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds of each of these rounds")
    parser.add_argument(
        "--rates", type=float, nargs="*", default=RATES, help="shares of the capacity for calls at random times"
    )
    parser.add_argument(
        "--open-seconds", type=float, default=10.0, help="seconds of calls at random times at each rate"
    )
    parser.add_argument(
        "--serve-option",
        action="append",
        default=[],
        help="a further argument of paperfeed serve, as --serve-option=WORD; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, two_servers(options, Path(folder)) as pair:
        figures = list(measured(pair))
    return report(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
