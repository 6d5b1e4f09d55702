"""Where Dask's workers are, for the commands that work on them."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.output import note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batch.cluster import Cluster

SCHEDULER_HELP = "Address of a Dask scheduler, tcp://HOST:PORT; 'local' starts workers on this machine."
WORKERS_HELP = "Worker processes of 'local'. Default: one for each core."


def check_scheduler(scheduler: str) -> None:
    """Raises InvalidField for what is neither ``local`` nor an address."""
    from service.domain.errors import InvalidField

    if scheduler != "local" and "://" not in scheduler:
        raise InvalidField("scheduler", f"'{scheduler}' is neither 'local' nor an address such as tcp://localhost:8786")


@contextmanager
def announced_cluster(scheduler: str, workers: int | None) -> "Iterator[Cluster]":
    """The cluster; says where its dashboard is."""
    from batch.cluster import open_cluster

    with open_cluster(scheduler, workers=workers) as cluster:
        note(f"dashboard: {cluster.dashboard}")
        yield cluster
