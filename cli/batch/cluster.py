"""Where the workers of a batch command are: its options, and the cluster opened and announced."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import note

if TYPE_CHECKING:
    from batch.cluster import Cluster

LOCAL = "local"
SCHEDULER_HELP = "Address of a Dask scheduler, tcp://HOST:PORT; 'local' starts workers on this machine."
Scheduler = Annotated[str, typer.Option(help=SCHEDULER_HELP)]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes of 'local'. Default: one for each core.")]


def check_scheduler(scheduler: str, workers: int | None) -> None:
    """Raises InvalidField for what is neither 'local' nor an address, and for a number of workers that are not ours."""
    from service.domain.errors import InvalidField

    if scheduler != LOCAL and "://" not in scheduler:
        raise InvalidField("scheduler", f"'{scheduler}' is neither 'local' nor an address such as tcp://localhost:8786")
    if scheduler != LOCAL and workers is not None:
        raise InvalidField("workers", f"are those of the scheduler at {scheduler}: leave the option out")


@contextmanager
def announced_cluster(scheduler: str, workers: int | None) -> "Iterator[Cluster]":
    """The cluster, once it is there; its dashboard, if it has one, is named on stderr."""
    from batch.cluster import open_cluster

    with open_cluster(scheduler, workers=workers) as cluster:
        if cluster.dashboard:
            note(f"dashboard: {cluster.dashboard}")
        yield cluster


def absolute_url(url: str) -> str:
    """The same database for a process that works elsewhere."""
    prefix = "sqlite:///"
    return f"{prefix}{Path(url.removeprefix(prefix)).absolute()}" if url.startswith(prefix) else url
