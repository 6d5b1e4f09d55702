"""Compute the servers, the database and the batch hours that a number of users needs.

    python -m benchmarks.serving.capacity                                        # the tables of docs/scale.md
    python -m benchmarks.serving.capacity --users 300000 --papers 200000         # one column of your own

Costs are read from results/footprint.json (with PostgreSQL) and results/mail.json. The assumptions are in this file;
change them for your users. A test compares docs/scale.md with the output.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results"
GB = 1e9
_SECONDS_OF_AN_HOUR = 3_600


@dataclass(frozen=True)
class Costs:
    """Measured costs; ``SOURCES`` names the figure of each in a file of results.

    Attributes:
        mail_per_second: Messages of a whole mail run, with everything on one machine of two cores.
    """

    feed_core_ms: float
    new_feed_core_ms: float
    event_core_ms: float
    store_feed_core_ms: float
    store_event_core_ms: float
    batch_core_ms: float
    embed_core_ms: float
    server_mb: float
    encoder_mb: float
    slate_bytes: float
    bare_slate_bytes: float
    event_bytes: float
    user_bytes: float
    paper_bytes: float
    vector_bytes: float
    mail_per_second: float


MAIL_RATE = "messages a second of a whole run, 10000 subscribers"
SOURCES = {
    "feed_core_ms": ("footprint", "postgresql: core ms of a warm feed", "core ms of a feed, profile in memory"),
    "new_feed_core_ms": (
        "footprint",
        "postgresql: core ms of a feed after an event",
        "core ms of a feed after an event",
    ),
    "event_core_ms": ("footprint", "postgresql: core ms of an event", "core ms of a RecordEvents call"),
    "store_feed_core_ms": (
        "footprint",
        "postgresql: core ms of the store for a feed",
        "core ms of PostgreSQL for a feed",
    ),
    "store_event_core_ms": (
        "footprint",
        "postgresql: core ms of the store for an event",
        "core ms of PostgreSQL for an event",
    ),
    # Measured of Dask's workers alone, for which the engine matters little.
    "batch_core_ms": ("footprint", "sqlite: core ms of a batch user", "core ms of a user in a re-rank"),
    "embed_core_ms": ("footprint", "core ms of embedding a paper", "core ms of embedding a paper"),
    "server_mb": ("footprint", "postgresql: resident MB of a server", "MB of a server process"),
    "encoder_mb": ("footprint", "resident MB of an encoder", "MB of an encoder process while it embeds"),
    "slate_bytes": ("footprint", "postgresql: bytes of a slate with features", "bytes of a slate with features"),
    "bare_slate_bytes": (
        "footprint",
        "postgresql: bytes of a slate without features",
        "bytes of a slate without features",
    ),
    "event_bytes": ("footprint", "postgresql: bytes of an event", "bytes of an event"),
    "user_bytes": ("footprint", "postgresql: bytes of a user", "bytes of a user"),
    "paper_bytes": ("footprint", "postgresql: bytes of a paper", "bytes of a paper"),
    "vector_bytes": ("footprint", "postgresql: bytes of a vector", "bytes of a vector"),
    "mail_per_second": ("mail", MAIL_RATE, "messages a second of one mailer"),
}
"""File of results, name of the figure there, and words for the page, for each field of ``Costs``."""


@dataclass(frozen=True)
class Assumptions:
    """Assumptions about users, operators and machines."""

    feeds_a_day: float = 2.0
    events_a_day: float = 5.0
    share_of_new_feeds: float = 0.5
    busiest_hour: float = 0.12
    utilisation: float = 0.6
    features_days: int = 30
    slates_days: int = 90
    events_days: int = 180
    batch_hours: float = 2.0
    connections_of_a_server: int = 20
    database_cores: int = 32
    database_terabytes: float = 10.0


WORDS = {
    "feeds_a_day": "feeds of an active user a day",
    "events_a_day": "events of an active user a day (impressions, clicks, likes)",
    "share_of_new_feeds": "share of feeds that follow an event",
    "busiest_hour": "share of a day's calls in its busiest hour",
    "utilisation": "used share of a server's core in the busiest hour",
    "features_days": "days that features are kept (`PAPERFEED_KEEP_FEATURES_DAYS`)",
    "slates_days": "days that slates are kept (`PAPERFEED_KEEP_SLATES_DAYS`)",
    "events_days": "days that events are kept (`PAPERFEED_KEEP_EVENTS_DAYS`)",
    "batch_hours": "hours that a re-rank may take",
    "connections_of_a_server": "connections that a server may open (twice `3 * PAPERFEED_THREADS + 4`)",
    "database_cores": "cores of a large database machine",
    "database_terabytes": "terabytes of a large database's disk",
}


@dataclass(frozen=True)
class Scenario:
    """Number of users in a day, and of papers in the catalog."""

    users: int
    papers: int


SCENARIOS = (Scenario(10_000, 50_000), Scenario(1_000_000, 1_000_000), Scenario(100_000_000, 10_000_000))


@dataclass(frozen=True)
class Requirements:
    """Requirements of a scenario; see ``requirements_of``."""

    feeds_per_second: float
    events_per_second: float
    server_cores: float
    servers: int
    database_cores: float
    database_gb: float
    database_gb_a_day: float
    batch_core_hours: float
    batch_workers: int
    embed_core_hours: float
    similar_gb: float
    mail_hours: float
    connections: int


def read_costs(folder: Path = RESULTS) -> Costs:
    """Read the measured costs.

    Raises:
        KeyError: A file has no figure of that name.
    """
    files = {file for file, _, _ in SOURCES.values()}
    rows = {file: json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))["benchmarks"] for file in files}
    values = {(file, row["name"]): float(row["value"]) for file, found in rows.items() for row in found}
    return Costs(**{name: values[file, figure] for name, (file, figure, _) in SOURCES.items()})


def requirements_of(scenario: Scenario, costs: Costs, assumptions: Assumptions) -> Requirements:
    """Return cores and servers for the busiest hour, bytes after the longest retention, and hours of whole jobs."""
    feeds = scenario.users * assumptions.feeds_a_day
    events = scenario.users * assumptions.events_a_day
    per_second = assumptions.busiest_hour / _SECONDS_OF_AN_HOUR
    new = assumptions.share_of_new_feeds
    feed_ms = new * costs.new_feed_core_ms + (1 - new) * costs.feed_core_ms
    server_cores = (feeds * feed_ms + events * costs.event_core_ms) * per_second / 1_000
    store_ms = feeds * costs.store_feed_core_ms + events * costs.store_event_core_ms
    servers = max(3, math.ceil(server_cores / assumptions.utilisation) + 1)
    slates = feeds * (
        assumptions.features_days * costs.slate_bytes
        + (assumptions.slates_days - assumptions.features_days) * costs.bare_slate_bytes
    )
    kept = (
        slates
        + events * assumptions.events_days * costs.event_bytes
        + scenario.users * costs.user_bytes
        + scenario.papers * (costs.paper_bytes + costs.vector_bytes)
    )
    batch_core_hours = scenario.users * costs.batch_core_ms / 1_000 / _SECONDS_OF_AN_HOUR
    return Requirements(
        feeds_per_second=feeds * per_second,
        events_per_second=events * per_second,
        server_cores=server_cores,
        servers=servers,
        database_cores=store_ms * per_second / 1_000 / assumptions.utilisation,
        database_gb=kept / GB,
        database_gb_a_day=(feeds * costs.slate_bytes + events * costs.event_bytes) / GB,
        batch_core_hours=batch_core_hours,
        batch_workers=math.ceil(batch_core_hours / assumptions.batch_hours),
        embed_core_hours=scenario.papers * costs.embed_core_ms / 1_000 / _SECONDS_OF_AN_HOUR,
        similar_gb=scenario.papers * 384 * 4 / GB,
        mail_hours=scenario.users / costs.mail_per_second / _SECONDS_OF_AN_HOUR,
        connections=servers * assumptions.connections_of_a_server,
    )


def number(value: float) -> str:
    """Return the value with two significant digits; the costs are not known more exactly."""
    rounded = float(f"{value:.1e}")
    digits = 0 if rounded == 0 else max(0, 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{digits}f}"


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def page(scenarios: Sequence[Scenario], costs: Costs, assumptions: Assumptions) -> str:
    """Return the page's tables as Markdown."""
    inputs = ((words, number(getattr(costs, name)), f"`{file}.json`") for name, (file, _, words) in SOURCES.items())
    assumed = ((WORDS[each.name], f"{getattr(assumptions, each.name):g}") for each in fields(assumptions))
    needs = [requirements_of(scenario, costs, assumptions) for scenario in scenarios]
    tables = (
        table(("measured", "value", "from"), inputs),
        table(("assumed", "value"), assumed),
        table(
            ("users a day", *(f"{scenario.users:,}" for scenario in scenarios)), _rows(scenarios, needs, assumptions)
        ),
    )
    return "\n\n".join("\n".join(lines) for lines in tables) + "\n"


def _rows(
    scenarios: Sequence[Scenario], needs: Sequence[Requirements], assumptions: Assumptions
) -> Iterator[Sequence[str]]:
    def row(words: str, values: Iterator[float]) -> Sequence[str]:
        return (words, *map(number, values))

    yield ("papers in the catalog", *(f"{scenario.papers:,}" for scenario in scenarios))
    yield row("feeds a second in the busiest hour", (need.feeds_per_second for need in needs))
    yield row("events a second in the busiest hour", (need.events_per_second for need in needs))
    yield row("busy server cores in the busiest hour", (need.server_cores for need in needs))
    yield ("servers of one core, including one spare", *(f"{need.servers:,}" for need in needs))
    yield row("cores of PostgreSQL in the busiest hour", (need.database_cores for need in needs))
    yield row("GB written a day", (need.database_gb_a_day for need in needs))
    yield row("GB kept in the store", (need.database_gb for need in needs))
    yield ("connections that servers may open", *(f"{need.connections:,}" for need in needs))
    yield row("core hours of a re-rank of all users", (need.batch_core_hours for need in needs))
    yield ("Dask workers to finish the re-rank in time", *(f"{need.batch_workers:,}" for need in needs))
    yield row("core hours to embed the whole catalog", (need.embed_core_hours for need in needs))
    yield row("GB of vectors in a server that finds similar papers", (need.similar_gb for need in needs))
    yield row("hours of one mailer to send to all users", (need.mail_hours for need in needs))
    yield row(
        "share of a large database's cores, %",
        (100 * need.database_cores / assumptions.database_cores for need in needs),
    )
    yield row(
        "share of a large database's disk, %",
        (100 * need.database_gb / (1_000 * assumptions.database_terabytes) for need in needs),
    )


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.capacity")
    parser.add_argument("--users", type=int, help="users in a day; prints one column instead of the page's three")
    parser.add_argument("--papers", type=int, default=1_000_000, help="papers of the catalog, with --users")
    options = parser.parse_args()
    scenarios = SCENARIOS if options.users is None else (Scenario(options.users, options.papers),)
    sys.stdout.write(page(scenarios, read_costs(), Assumptions()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
