"""Options of commands that run on Dask workers, and the cluster that they name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.domain.errors import InvalidField
from service.process.failures import note

if TYPE_CHECKING:
    from batch.cluster import Cluster

LOCAL = "local"
SCHEDULER_HELP = "Address of a Dask scheduler, tcp://HOST:PORT, or 'local' to start workers on this machine."
Scheduler = Annotated[str, typer.Option(help=SCHEDULER_HELP)]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Number of workers for --scheduler local. Default: one per core.")
]


def check_scheduler(scheduler: str, workers: int | None) -> None:
    """Check the options --scheduler and --workers.

    Raises:
        InvalidField: The scheduler is neither 'local' nor an address, or --workers is given for a remote scheduler.
    """
    if scheduler != LOCAL and "://" not in scheduler:
        raise InvalidField("scheduler", f"'{scheduler}' is neither 'local' nor an address such as tcp://localhost:8786")
    if scheduler != LOCAL and workers is not None:
        raise InvalidField("workers", f"cannot be set for the scheduler at {scheduler}: leave the option out")


@contextmanager
def announced_cluster(scheduler: str, workers: int | None) -> "Iterator[Cluster]":
    """Open the cluster, and print the address of its dashboard, if it has one, on stderr."""
    from batch.cluster import open_cluster

    with open_cluster(scheduler, workers=workers) as cluster:
        if cluster.dashboard:
            note(f"dashboard: {cluster.dashboard}")
        yield cluster


def absolute_url(url: str) -> str:
    """Return the URL of the same database for a process with another working directory."""
    prefix = "sqlite:///"
    return f"{prefix}{Path(url.removeprefix(prefix)).absolute()}" if url.startswith(prefix) else url
