"""What so many users a day need: servers, store, batch hours; arithmetic on measured costs and on named habits.

    python -m benchmarks.serving.capacity                                        # the tables of docs/scale.md
    python -m benchmarks.serving.capacity --users 300000 --papers 200000         # one column of your own

Costs are read from results/footprint.json (with PostgreSQL) and results/mail.json; habits stand below, to be changed
for what your own readers do. A test holds the page to what this prints.
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
    """Measured; each is the figure of that name in a file of results.

    Attributes:
        mail_per_second: Of a whole mail run with everything on one machine of two cores.
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


MAIL_RATE = "messages a second, 10000 readers, ranked, made, handed over and reported"
SOURCES = {
    "feed_core_ms": ("footprint", "postgresql: core ms of a warm feed", "core ms of a feed, profile in memory"),
    "new_feed_core_ms": ("footprint", "postgresql: core ms of a feed after an event", "the same after an event"),
    "event_core_ms": ("footprint", "postgresql: core ms of an event", "core ms of a RecordEvents call"),
    "store_feed_core_ms": ("footprint", "postgresql: core ms of the store for a feed", "PostgreSQL's for a feed"),
    "store_event_core_ms": ("footprint", "postgresql: core ms of the store for an event", "PostgreSQL's for an event"),
    # Of Dask's workers alone, to whom the engine makes little difference.
    "batch_core_ms": ("footprint", "sqlite: core ms of a batch user", "core ms of a user in a re-rank"),
    "embed_core_ms": ("footprint", "core ms of embedding a paper", "core ms of embedding a paper"),
    "server_mb": ("footprint", "postgresql: resident MB of a server", "MB of a server process"),
    "encoder_mb": ("footprint", "resident MB of an encoder", "MB of its encoder while it embeds"),
    "slate_bytes": ("footprint", "postgresql: bytes of a slate with features", "bytes of a slate with features"),
    "bare_slate_bytes": ("footprint", "postgresql: bytes of a slate without features", "bytes of one without"),
    "event_bytes": ("footprint", "postgresql: bytes of an event", "bytes of an event"),
    "user_bytes": ("footprint", "postgresql: bytes of a user", "bytes of a user"),
    "paper_bytes": ("footprint", "postgresql: bytes of a paper", "bytes of a paper"),
    "vector_bytes": ("footprint", "postgresql: bytes of a vector", "bytes of a vector"),
    "mail_per_second": ("mail", MAIL_RATE, "messages a second of one mailer"),
}
"""Field of ``Costs``: file of results, the figure's name there, and words for the page."""


@dataclass(frozen=True)
class Habits:
    """Assumed of users and operators, and the machines reckoned with."""

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
    "events_a_day": "events of one (impressions, clicks, likes)",
    "share_of_new_feeds": "share of feeds that follow an event",
    "busiest_hour": "share of a day's calls in its busiest hour",
    "utilisation": "share of a core that is used at the busiest hour",
    "features_days": "days that features are kept (`PAPERFEED_KEEP_FEATURES_DAYS`)",
    "slates_days": "days that slates are kept (`PAPERFEED_KEEP_SLATES_DAYS`)",
    "events_days": "days that events are kept (`PAPERFEED_KEEP_EVENTS_DAYS`)",
    "batch_hours": "hours that a re-rank may take",
    "connections_of_a_server": "connections that a server may open (twice `3 * PAPERFEED_THREADS + 4`)",
    "database_cores": "cores of a large database machine",
    "database_terabytes": "terabytes of its disk",
}


@dataclass(frozen=True)
class Town:
    """Users of a day, and papers of the catalog."""

    users: int
    papers: int


TOWNS = (Town(10_000, 50_000), Town(1_000_000, 1_000_000), Town(100_000_000, 10_000_000))


@dataclass(frozen=True)
class Need:
    """What a town needs; see ``need_of``."""

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
    """The measured costs.

    Raises:
        KeyError: A file has no figure of that name.
    """
    files = {file for file, _, _ in SOURCES.values()}
    rows = {file: json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))["benchmarks"] for file in files}
    values = {(file, row["name"]): float(row["value"]) for file, found in rows.items() for row in found}
    return Costs(**{name: values[file, figure] for name, (file, figure, _) in SOURCES.items()})


def need_of(town: Town, costs: Costs, habits: Habits) -> Need:
    """Cores and servers for the busiest hour, bytes at the end of all retention, hours for whole passes."""
    feeds = town.users * habits.feeds_a_day
    events = town.users * habits.events_a_day
    per_second = habits.busiest_hour / _SECONDS_OF_AN_HOUR
    new = habits.share_of_new_feeds
    feed_ms = new * costs.new_feed_core_ms + (1 - new) * costs.feed_core_ms
    server_cores = (feeds * feed_ms + events * costs.event_core_ms) * per_second / 1_000
    store_ms = feeds * costs.store_feed_core_ms + events * costs.store_event_core_ms
    servers = max(3, math.ceil(server_cores / habits.utilisation) + 1)
    slates = feeds * (
        habits.features_days * costs.slate_bytes + (habits.slates_days - habits.features_days) * costs.bare_slate_bytes
    )
    kept = (
        slates
        + events * habits.events_days * costs.event_bytes
        + town.users * costs.user_bytes
        + town.papers * (costs.paper_bytes + costs.vector_bytes)
    )
    batch_core_hours = town.users * costs.batch_core_ms / 1_000 / _SECONDS_OF_AN_HOUR
    return Need(
        feeds_per_second=feeds * per_second,
        events_per_second=events * per_second,
        server_cores=server_cores,
        servers=servers,
        database_cores=store_ms * per_second / 1_000 / habits.utilisation,
        database_gb=kept / GB,
        database_gb_a_day=(feeds * costs.slate_bytes + events * costs.event_bytes) / GB,
        batch_core_hours=batch_core_hours,
        batch_workers=math.ceil(batch_core_hours / habits.batch_hours),
        embed_core_hours=town.papers * costs.embed_core_ms / 1_000 / _SECONDS_OF_AN_HOUR,
        similar_gb=town.papers * 384 * 4 / GB,
        mail_hours=town.users / costs.mail_per_second / _SECONDS_OF_AN_HOUR,
        connections=servers * habits.connections_of_a_server,
    )


def number(value: float) -> str:
    """Two significant digits: more would claim to be known."""
    rounded = float(f"{value:.1e}")
    digits = 0 if rounded == 0 else max(0, 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{digits}f}"


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """A table of the page."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def page(towns: Sequence[Town], costs: Costs, habits: Habits) -> str:
    """All tables."""
    inputs = ((words, number(getattr(costs, name)), f"`{file}.json`") for name, (file, _, words) in SOURCES.items())
    assumed = ((WORDS[each.name], f"{getattr(habits, each.name):g}") for each in fields(habits))
    needs = [need_of(town, costs, habits) for town in towns]
    tables = (
        table(("measured", "value", "from"), inputs),
        table(("assumed", "value"), assumed),
        table(("users a day", *(f"{town.users:,}" for town in towns)), _rows(towns, needs, habits)),
    )
    return "\n\n".join("\n".join(lines) for lines in tables) + "\n"


def _rows(towns: Sequence[Town], needs: Sequence[Need], habits: Habits) -> Iterator[Sequence[str]]:
    def row(words: str, values: Iterator[float]) -> Sequence[str]:
        return (words, *map(number, values))

    yield ("papers in the catalog", *(f"{town.papers:,}" for town in towns))
    yield row("feeds a second in the busiest hour", (need.feeds_per_second for need in needs))
    yield row("events a second then", (need.events_per_second for need in needs))
    yield row("cores of servers at work then", (need.server_cores for need in needs))
    yield ("servers of one core, one of them spare", *(f"{need.servers:,}" for need in needs))
    yield row("cores of PostgreSQL then", (need.database_cores for need in needs))
    yield row("GB written a day", (need.database_gb_a_day for need in needs))
    yield row("GB kept in the store", (need.database_gb for need in needs))
    yield ("connections that servers may open", *(f"{need.connections:,}" for need in needs))
    yield row("core hours of a re-rank of everybody", (need.batch_core_hours for need in needs))
    yield ("Dask workers for it in time", *(f"{need.batch_workers:,}" for need in needs))
    yield row("core hours of embedding the catalog anew", (need.embed_core_hours for need in needs))
    yield row("GB in each server once asked for similar papers", (need.similar_gb for need in needs))
    yield row("hours of one mailer for everybody", (need.mail_hours for need in needs))
    yield row(
        "share of a large database's cores, %", (100 * need.database_cores / habits.database_cores for need in needs)
    )
    yield row("share of its disk, %", (100 * need.database_gb / (1_000 * habits.database_terabytes) for need in needs))


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.capacity")
    parser.add_argument("--users", type=int, help="active in a day; one column instead of the page's three")
    parser.add_argument("--papers", type=int, default=1_000_000, help="of the catalog, with --users")
    options = parser.parse_args()
    towns = TOWNS if options.users is None else (Town(options.users, options.papers),)
    sys.stdout.write(page(towns, read_costs(), Habits()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
