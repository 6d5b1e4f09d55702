"""Real servers on free ports, with clients over real channels."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paperfeed.client import Client
from service.bootstrap import Application
from service.config import Settings


@dataclass(frozen=True)
class Service:
    """A running server and its client."""

    application: Application
    client: Client
    port: int
    url: str

    @property
    def target(self) -> str:
        """Address for a channel."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def serving(url: str, *, embeds: bool = True, counts: bool = False, **settings: Any) -> Iterator[Service]:
    """Run a server on the database; stop it at the end without a drain, so that stopping takes no time.

    Args:
        embeds: Whether the server computes vectors; if False, every paper stays PENDING.
        counts: Whether the server counts the statistics of the catalog; if False, it serves what others counted.
        settings: Fields of ``service.config.Settings``. Default: encoder ``hashing``, no exploration, no bundle needed.
    """
    defaults = {"encoder": "hashing", "threads": 8, "drain_seconds": 0.0, "exploration": 0.0, "allow_cosine": True}
    application = Application(Settings(db=url, port=0, **{**defaults, **settings}))
    if not embeds:
        application._embedder.stop()  # noqa: SLF001
    if not counts:
        application._statistics.stop()  # noqa: SLF001
    port = application.start()
    try:
        # Without retries, tests see each answer of the server.
        with Client(f"127.0.0.1:{port}", retries=False) as client:
            yield Service(application, client, port, url)
    finally:
        application.stop()


def lose_database(service: Service) -> None:
    """Overwrite the beginning of the server's SQLite file."""
    service.application.store.dispose()
    with Path(service.url.removeprefix("sqlite:///")).open("r+b") as file:
        file.write(b"this is no database at all" * 100)


def copied(template: Path, folder: Path) -> str:
    """Copy an empty migrated SQLite database to the folder and return its URL."""
    shutil.copy(template, folder / "rpc.db")
    return f"sqlite:///{folder / 'rpc.db'}"
