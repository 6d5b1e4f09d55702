"""Settings of the service, which are read once and then passed down as values."""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from service.domain.errors import InvalidField
from settings.reader import BaseSettings, any_path, dotted_path, path_unless, setting
from telemetry import NO_PORT

PREFIX = "PAPERFEED_"
NO_IDENTITY, API_KEYS, MTLS = "none", "keys", "mtls"
"""Values of ``auth``."""
DEFAULT_CACHE, NO_CACHE = "user", "none"
"""Values of ``embedding_cache`` that are not the name of a file."""
# HOST:PORT, or another name that gRPC knows, such as unix:/run/paperfeed.sock or dns:///paperfeed:50051.
_ADDRESS = re.compile(
    r"(\[[^\s\[\]/]+\]|[^\s:\[\]/]+):(?P<port>[0-9]{1,5})|(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):\S+"
)
_PASSWORDS = re.compile(r"((?:^|&)(?:ssl)?password=)[^&]*", re.IGNORECASE)


def _address_problem(text: str) -> str | None:
    found = _ADDRESS.fullmatch(text)
    if found is not None and 0 < int(found["port"] or 1) < 65536:
        return None
    return f"'{text}' is not HOST:PORT, such as localhost:50051"


@dataclass(frozen=True)
class Settings(BaseSettings, prefix=PREFIX, table="service", invalid=InvalidField):
    """All settings with their defaults. The environment variable of ``name`` is ``PAPERFEED_NAME``."""

    db: str = setting(
        "sqlite:///paperfeed.db", "Database URL: sqlite:///PATH or postgresql://USER@HOST/NAME.", is_path=any_path
    )
    host: str = setting("127.0.0.1", "Address that the server listens on, or unix:PATH for a Unix socket.")
    port: int = setting(50051, "Port that the server listens on; 0 takes a free port.", at_least=0, at_most=65535)
    auth: str = setting(
        NO_IDENTITY,
        "How the server identifies callers: keys (API keys), mtls (client certificates), or none. none gives every "
        "caller all rights, so it is for addresses that only this machine can reach.",
        choices=(NO_IDENTITY, API_KEYS, MTLS),
    )
    insecure: bool = setting(
        default=False,
        help_text="Whether a server without identity may listen on an address that other machines can reach.",
    )
    server_tls_cert: str = setting(
        "",
        "PEM file with the server's certificate chain, read again when it changes; empty: the server has no TLS.",
        is_path=any_path,
    )
    server_tls_key: str = setting("", "PEM file with the private key of the server's certificate.", is_path=any_path)
    server_client_ca: str = setting(
        "",
        "PEM file with the authorities that sign client certificates; clients must then show a certificate.",
        is_path=any_path,
    )
    caller_calls_per_second: float = setting(
        0.0,
        "Calls that one caller may start per second on average, and at once, in each server process; 0: no limit.",
        at_least=0,
    )
    caller_concurrent_calls: int = setting(
        0, "Calls of one caller that may run or wait at the same time in each server process; 0: no limit.", at_least=0
    )
    max_papers: int = setting(
        0, "UpsertPapers creates no paper if more than this many would be stored; 0: no limit.", at_least=0
    )
    max_likes: int = setting(
        10_000, "RecordEvents stores no like of a user who would have more than this; 0: no limit.", at_least=0
    )
    server: str = setting(
        "localhost:50051",
        "Address of the server that the commands feed, similar, like, profile, status and others call, HOST:PORT.",
        check=_address_problem,
    )
    tls_ca: str = setting(
        "",
        "PEM file with the root certificates that the server's certificate is checked against, or 'system' for those "
        "that gRPC ships. Commands that call a server use TLS if this or one of the next two is set, or if they send "
        "an API key to another machine.",
        is_path=path_unless("system"),
    )
    tls_cert: str = setting("", "PEM file with the client's certificate, if the server asks for one.", is_path=any_path)
    tls_key: str = setting("", "PEM file with the private key of the client's certificate.", is_path=any_path)
    api_key_file: str = setting("", "File that holds the API key that commands send to the server.", is_path=any_path)
    encoder: str = setting(
        "all-MiniLM-L6-v2",
        "Encoder: a sentence-transformers model or path. 'hashing' needs no torch, but compares words only.",
        is_path=dotted_path,
    )
    encoder_threads: int = setting(0, "Threads of the encoder process; 0 means one per core.", at_least=0, at_most=256)
    encoder_device: str = setting("cpu", "Device of the encoder in torch's notation: cpu, cuda or mps.")
    encoder_idle_seconds: float = setting(
        60.0, "The encoder process ends after this time without work.", at_least=1, at_most=1e6
    )
    embedding_cache: str = setting(
        DEFAULT_CACHE,
        "File that keeps vectors by text hash, shared by several databases; none or an empty text: no file. user: "
        "vectors.sqlite in the user's cache folder (Linux: ~/.cache/paperfeed), and no file for the server, which has "
        "its database, and for the encoder 'hashing'.",
        may_be_empty=True,
        is_path=path_unless(DEFAULT_CACHE, NO_CACHE),
    )
    embedding_cache_megabytes: int = setting(
        500,
        "Size limit of that file; the vectors stored first are removed. A megabyte has some 500 vectors; 0: no limit.",
        at_least=0,
    )
    bundle: str = setting("", "Folder of the model bundle; empty means the bundle in the package.", is_path=any_path)
    registry: str = setting(
        "",
        "Folder or fsspec URL of the model registry; the bundle that it names serves, and PAPERFEED_BUNDLE is only the "
        "first one. Empty: no registry.",
        is_path=any_path,
    )
    registry_cache: str = setting(
        "",
        "Folder for copies of the bundles of a registry at a URL. Empty: the folder models in the user's cache folder.",
        is_path=any_path,
    )
    allow_cosine: bool = setting(
        default=False,
        help_text="Whether a server without a usable bundle, which ranks feeds by cosine similarity, counts as ready.",
    )
    workers: int = setting(
        1,
        "Server processes on the port, each with its own threads and caches. More than one needs Linux.",
        at_least=1,
        at_most=256,
    )
    threads: int = setting(
        2,
        "Threads for quick calls. Bulk calls (StreamFeeds, RankPapers, UpsertPapers, SearchPapers, FindSimilarPapers, "
        "ExplainPaper, ExportUser, RegisterModel) have as many threads of their own.",
        at_least=1,
        at_most=1024,
    )
    max_waiting_calls: int = setting(
        64, "Quick calls, and as many bulk calls, that may wait for a thread; more are refused.", at_least=0
    )
    max_wait_seconds: float = setting(
        0.5,
        "A quick call that would probably wait longer than this for a thread is refused.",
        at_least=0.001,
        at_most=3600,
    )
    silence_seconds: float = setting(
        15.0,
        "A call is ended if its request does not arrive within this time after its headers.",
        at_least=0.01,
        at_most=3600,
    )
    stall_seconds: float = setting(
        60.0, "A stream is ended if its client reads nothing for this time.", at_least=0.01, at_most=3600
    )
    drain_seconds: float = setting(
        20.0, "Time that accepted calls have to finish after SIGTERM.", at_least=0, at_most=3600
    )
    metrics_host: str = setting("127.0.0.1", "Address that the port for metrics and probes listens on.")
    metrics_port: int = setting(
        NO_PORT,
        "Port for /metrics, /livez and /readyz over HTTP; -1: none; 0 takes a free port. With several workers, worker "
        "2 takes the next port, and so on.",
        at_least=NO_PORT,
        at_most=65535,
    )
    diversity: float = setting(0.1, "Default diversity of a feed, 0 to 1.", at_least=0, at_most=1)
    exploration: float = setting(
        0.2,
        "Chance, 0 to 1, that a paper from further down takes one of a slate's first ten places, to learn from it.",
        at_least=0,
        at_most=1,
    )
    stale_digest_days: float = setting(
        3.0, "The newest digest counts as stale if it is older than this.", at_least=0, at_most=36500
    )
    precomputed: str = setting(
        "overload",
        "When GetFeed serves slates of 'batch rerank --to-store': always, overload (many calls wait) or never.",
        choices=("always", "overload", "never"),
    )
    precomputed_hours: float = setting(
        24.0, "GetFeed serves no precomputed slate older than this.", at_least=0, at_most=87600
    )
    keep_events_days: int = setting(
        0, "db prune removes impressions and clicks older than this; 0 keeps all.", at_least=0
    )
    keep_slates_days: int = setting(90, "db prune removes slates older than this; 0 keeps all.", at_least=0)
    keep_features_days: int = setting(
        30, "db prune empties the features of slates older than this; 0 keeps all.", at_least=0
    )
    keep_audit_days: int = setting(
        0, "db prune removes entries of the audit log older than this; 0 keeps all.", at_least=0
    )
    arxiv_feed_url: str = setting("https://rss.arxiv.org", "Base URL of arXiv's feeds of new papers.")
    arxiv_api_url: str = setting("https://export.arxiv.org", "Base URL of arXiv's search API.")
    hf_daily_url: str = setting("https://huggingface.co", "Base URL of the Hugging Face daily papers.")
    biorxiv_api_url: str = setting("https://api.biorxiv.org", "Base URL of the API of bioRxiv and medRxiv.")
    zotero_api_url: str = setting("https://api.zotero.org", "Base URL of Zotero's API.")
    zotero_key_file: str = setting("", "File that holds the API key of Zotero for library sync.", is_path=any_path)
    zotero_key: str = setting("", "The API key itself, if it is in no file. It is never shown or logged.")
    fetch_contact: str = setting(
        "", "Mail address or web page that fetch sends to the sources, so that they can contact you."
    )
    fetch_tries: int = setting(5, "Attempts to fetch a page that does not answer.", at_least=1, at_most=20)
    fetch_timeout_seconds: float = setting(
        20.0, "Time limit for connecting to a source, and for each part of its answer.", at_least=0.1, at_most=600
    )
    fetch_pause_seconds: float = setting(
        3.0, "Pause between two requests to a source; arXiv asks for 3.", at_least=0, at_most=600
    )
    fetch_wait_seconds: float = setting(
        5.0,
        "Wait before the second attempt if the source names none; doubles with each attempt.",
        at_least=0,
        at_most=600,
    )
    fetch_private_redirects: bool = setting(
        default=False, help_text="Whether a redirect may lead to an address of a private network."
    )
    fetch_folder: str = setting(
        "",
        "Folder that keeps pages of an unfinished search; empty: beside the SQLite database, nowhere with PostgreSQL.",
        is_path=any_path,
    )
    data: str = setting(
        "../shared/data", "Folder of the public data sets that train, tests and benchmarks read.", is_path=any_path
    )
    log_level: str = setting("INFO", "DEBUG, INFO, WARNING or ERROR.", choices=("DEBUG", "INFO", "WARNING", "ERROR"))

    @property
    def cache_path(self) -> Path | None:
        """File of the embedding cache that was named; None without one, and for the default one."""
        is_named = self.embedding_cache not in {"", NO_CACHE, DEFAULT_CACHE}
        return Path(self.embedding_cache).expanduser() if is_named else None

    @property
    def fetch_path(self) -> Path | None:
        """Folder that keeps pages of unfinished searches; None keeps none."""
        if self.fetch_folder:
            return Path(self.fetch_folder).expanduser()
        file = self.db.removeprefix("sqlite:///")
        return Path(f"{file}-fetch") if file not in {self.db, "", ":memory:"} else None

    def __repr__(self) -> str:
        """Return the settings without the database's password and the key of Zotero."""
        hidden = {"db": without_password(self.db), "zotero_key": "***" if self.zotero_key else ""}
        shown = {each.name: getattr(self, each.name) for each in fields(self)} | hidden
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def without_password(url: str) -> str:
    """Return the database URL with its passwords, if any, replaced by ``***``."""
    parts = urlsplit(url)
    parts = parts._replace(query=_PASSWORDS.sub(r"\1***", parts.query))
    if parts.password is None:
        return urlunsplit(parts) if parts.query else url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))
