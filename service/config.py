"""Settings of the service: read once, then passed down as values. The only reader of the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from service.domain.errors import InvalidField

PREFIX = "PAPERFEED_"
# HOST:PORT, or another of gRPC's own names, such as unix:/run/paperfeed.sock or dns:///paperfeed:50051.
_ADDRESS = re.compile(
    r"(\[[^\s\[\]/]+\]|[^\s:\[\]/]+):(?P<port>[0-9]{1,5})|(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):\S+"
)


def _setting(default: Any, help_text: str, *, at_least: float | None = None, at_most: float | None = None) -> Any:
    return field(default=default, metadata={"help": help_text, "at_least": at_least, "at_most": at_most})


@dataclass(frozen=True)
class Settings:
    """Every setting, with its default. The environment variable of ``name`` is ``PAPERFEED_NAME``."""

    db: str = _setting("sqlite:///paperfeed.db", "Database URL: sqlite:///PATH or postgresql://USER@HOST/NAME.")
    host: str = _setting("127.0.0.1", "Address that the server listens on.")
    port: int = _setting(50051, "Port that the server listens on; 0 takes a free one.", at_least=0, at_most=65535)
    server: str = _setting(
        "localhost:50051", "Server that the commands feed, similar, profile and status ask, HOST:PORT."
    )
    encoder: str = _setting(
        "all-MiniLM-L6-v2",
        "Encoder: a sentence-transformers model or path; 'hashing' needs no torch and understands little.",
    )
    encoder_threads: int = _setting(0, "Threads of the encoder process; 0 means all cores.", at_least=0, at_most=256)
    encoder_device: str = _setting("cpu", "Where the encoder runs, as torch calls it: cpu, cuda, mps.")
    encoder_idle_seconds: float = _setting(
        60.0, "The encoder process ends after so long without work.", at_least=1, at_most=1e6
    )
    embedding_cache: str = _setting("", "File that keeps vectors by text hash across databases; empty means none.")
    bundle: str = _setting("", "Folder of the model bundle; empty means the one in the package.")
    workers: int = _setting(
        1,
        "Server processes on the port (more than one: Linux only), each with its own threads and caches.",
        at_least=1,
        at_most=256,
    )
    threads: int = _setting(
        2,
        "Calls worked on at once; twice as many more of those that may take seconds (streams, RankPapers, new papers).",
        at_least=1,
        at_most=1024,
    )
    max_waiting_calls: int = _setting(64, "Calls that may wait beyond those; more are refused.", at_least=0)
    max_wait_seconds: float = _setting(
        1.0, "A call that would probably wait longer than this for a thread is refused.", at_least=0.001, at_most=3600
    )
    silence_seconds: float = _setting(
        15.0, "A call whose message comes no sooner after its headers is ended.", at_least=0.01, at_most=3600
    )
    stall_seconds: float = _setting(
        60.0, "A stream whose client takes nothing for so long is ended.", at_least=0.01, at_most=3600
    )
    drain_seconds: float = _setting(
        20.0, "After SIGTERM, accepted calls have so long to end.", at_least=0, at_most=3600
    )
    diversity: float = _setting(0.1, "Default diversity of a feed, 0 to 1.", at_least=0, at_most=1)
    exploration: float = _setting(
        0.2,
        "Chance, 0 to 1, that one of a slate's first ten places goes to a paper from further down, to learn from it.",
        at_least=0,
        at_most=1,
    )
    stale_digest_days: float = _setting(
        3.0, "The newest digest counts as stale when older than this.", at_least=0, at_most=36500
    )
    precomputed: str = _setting(
        "overload",
        "When GetFeed serves slates of 'batch rerank --to-store': always, overload (many calls wait) or never.",
    )
    precomputed_hours: float = _setting(
        24.0, "GetFeed serves no precomputed slate older than this.", at_least=0, at_most=87600
    )
    keep_events_days: int = _setting(
        0, "db prune removes impressions and clicks older than this; 0 keeps all.", at_least=0
    )
    keep_slates_days: int = _setting(90, "db prune removes slates older than this; 0 keeps all.", at_least=0)
    keep_features_days: int = _setting(
        30, "db prune empties the features of slates older than this; 0 keeps all.", at_least=0
    )
    arxiv_feed_url: str = _setting("https://rss.arxiv.org", "Where arXiv announces new papers.")
    arxiv_api_url: str = _setting("https://export.arxiv.org", "Where arXiv is searched.")
    hf_daily_url: str = _setting("https://huggingface.co", "Where the daily papers are.")
    fetch_contact: str = _setting("", "Address or page named to sources that papers are fetched from; good manners.")
    fetch_tries: int = _setting(5, "Attempts at an address that does not answer.", at_least=1, at_most=20)
    fetch_timeout_seconds: float = _setting(
        20.0, "A source may take so long to connect, and for each part of its answer.", at_least=0.1, at_most=600
    )
    fetch_pause_seconds: float = _setting(
        3.0, "Between two requests to a source; arXiv asks for 3.", at_least=0, at_most=600
    )
    fetch_wait_seconds: float = _setting(
        5.0, "Before the second attempt where the source does not say; doubles each time.", at_least=0, at_most=600
    )
    fetch_folder: str = _setting(
        "",
        "Folder that keeps pages of an unfinished search; empty: beside the SQLite database, nowhere with PostgreSQL.",
    )
    data: str = _setting("../shared/data", "Folder of the public data sets that train, tests and benchmarks read.")
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR.")

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, **flags: object) -> "Settings":
        """Settings from flags (None means not given), then the environment, then defaults.

        Raises:
            InvalidField: Names the variable or flag that cannot be used.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for each in fields(cls):
            variable = PREFIX + each.name.upper()
            if flags.get(each.name) is not None:
                values[each.name] = _checked(each.name, flags[each.name], each)
            elif environment.get(variable):
                values[each.name] = _checked(variable, environment[variable], each)
        return cls(**values)

    @property
    def cache_path(self) -> Path | None:
        """The embedding cache's file, None without one."""
        return Path(self.embedding_cache).expanduser() if self.embedding_cache else None

    @property
    def fetch_path(self) -> Path | None:
        """Where pages of unfinished searches are kept; None keeps none."""
        if self.fetch_folder:
            return Path(self.fetch_folder).expanduser()
        file = self.db.removeprefix("sqlite:///")
        return Path(f"{file}-fetch") if file not in {self.db, "", ":memory:"} else None

    def __repr__(self) -> str:
        """Without the database's password."""
        shown = {each.name: getattr(self, each.name) for each in fields(self)} | {"db": without_password(self.db)}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def _checked(name: str, value: Any, each: Any) -> Any:
    kind = type(each.default)
    try:
        converted = kind(value)
    except ValueError:
        raise InvalidField(name, f"'{value}' is not {'a whole number' if kind is int else 'a number'}") from None
    at_least, at_most = each.metadata["at_least"], each.metadata["at_most"]
    if kind in (int, float) and not (
        (at_least is None or converted >= at_least) and (at_most is None or converted <= at_most)
    ):
        limits = " and ".join(
            f"{word} {limit}" for word, limit in (("at least", at_least), ("at most", at_most)) if limit is not None
        )
        raise InvalidField(name, f"is {converted}; must be {limits or 'a number'}")
    if each.name == "log_level" and converted.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise InvalidField(name, f"'{converted}' is not DEBUG, INFO, WARNING or ERROR")
    if each.name == "server" and not _is_address(converted):
        raise InvalidField(name, f"'{converted}' is not HOST:PORT, such as localhost:50051")
    if each.name == "precomputed" and converted not in {"always", "overload", "never"}:
        raise InvalidField(name, f"'{converted}' is not always, overload or never")
    return converted


def _is_address(text: str) -> bool:
    found = _ADDRESS.fullmatch(text)
    return found is not None and 0 < int(found["port"] or 1) < 65536


def without_password(url: str) -> str:
    """The database URL with its password, if any, replaced by ``***``."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))
