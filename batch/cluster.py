"""Dask: where the workers are, what each is given once, and how partitions are handed out.

No other file knows it, but for ``tree_growing``, which LightGBM hands to it.

A worker that dies takes nothing along: what it was given is given to its successor too, and the partition it was at is
handed out again. Only so many partitions are out at a time, so that neither the scheduler nor this process grows with
their number.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Generic, TypeVar

import dask
from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin, as_completed, get_worker

from batch.errors import ClusterUnavailable, PartitionFailed

CONNECT_SECONDS = 10
TASKS_PER_THREAD = 2
"""Partitions out at a time for each worker thread: the next one is there when the last one ends."""
LOCAL = "local"

Given = TypeVar("Given")
Task = TypeVar("Task")
Result = TypeVar("Result")

# Threads inside a worker's libraries would only wait for one another; see ``ranker.blas``. And this is all: by its own
# choice (MALLOC_TRIM_THRESHOLD_) Dask has workers give memory back at each chance and ask for it anew, which takes a
# fifth of their time.
_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class _Hold(WorkerPlugin):
    """What every worker is given once, those that come later too."""

    def __init__(self, name: str, given: Any) -> None:
        self.name = name
        self.given = given


class _Quiet(WorkerPlugin):
    """Workers of this machine share our terminal: stdout is for results, and of dead workers the job itself tells."""

    def setup(self, worker: Any) -> None:  # noqa: ARG002 -- Dask gives it
        # LightGBM prints of its network from threads that no log level reaches.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
        _silence_dask()


def _silence_dask() -> None:
    """Its warnings of dead workers and slow loops are for who runs the cluster; the job says what follows from them."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class _Call(Generic[Given, Task, Result]):
    """A function with what the worker was given, and one task."""

    name: str
    function: Callable[[Given, Task], Result]

    def __call__(self, task: Task) -> Result:
        held: Any = get_worker().plugins[self.name]
        return self.function(held.given, task)


def _has_dashboard(dask_scheduler: Any) -> bool:
    """In the scheduler, which gives the port of its HTTP server as the dashboard's even where it serves none."""
    return bool(dask_scheduler.http_application.applications)


class Cluster:
    """Workers that are ready."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def client(self) -> Client:
        """Dask's own, for ``tree_growing``."""
        return self._client

    @cached_property
    def dashboard(self) -> str | None:
        """Address of Dask's dashboard; None where there is none."""
        with contextlib.suppress(Exception):
            # A scheduler may not have this code, or run none but its own: then it is believed.
            if not self._client.run_on_scheduler(_has_dashboard):
                return None
        return str(self._client.dashboard_link)

    @property
    def thread_count(self) -> int:
        """Threads of all workers."""
        return sum(self._client.nthreads().values())

    @property
    def worker_count(self) -> int:
        """Worker processes."""
        return len(self._client.nthreads())

    def in_each_worker(self, function: Callable[[], Result]) -> list[Result]:
        """What a function gives in every worker's process."""
        return list(self._client.run(function).values())

    def each(
        self,
        name: str,
        function: Callable[[Given, Task], Result],
        given: Given,
        tasks: Sequence[Task],
        take: Callable[[Result], bool],
    ) -> None:
        """Hands every result to ``take`` as it comes, in no order.

        Args:
            name: Of the job; no two may run under one name at a time.
            given: Is sent to each worker once.
            take: Says whether to go on; if not, what is out already is waited for and handed over, and nothing more.

        Raises:
            PartitionFailed: A task killed several workers, or the scheduler was lost.
        """
        self._client.register_plugin(_Hold(name, given))
        call = _Call(name, function)
        waiting = iter(tasks)
        done = 0
        out = as_completed(raise_errors=False)
        try:
            out.update(self._submitted(call, waiting, TASKS_PER_THREAD * max(self.thread_count, 1)))
            for future in out:
                result = self._result(future, done, len(tasks))
                done += 1
                future.release()
                if not take(result):
                    waiting = iter(())
                out.update(self._submitted(call, waiting, 1))
        finally:
            with contextlib.suppress(Exception):
                # A scheduler that is gone has forgotten both already.
                self._client.cancel(list(out.futures))
                self._client.unregister_worker_plugin(name)

    def _submitted(self, call: Callable[[Task], Result], waiting: Iterator[Task], count: int) -> list[Any]:
        """Hands out the next tasks."""
        return [self._client.submit(call, task, pure=False) for task in islice(waiting, count)]

    @staticmethod
    def _result(future: Any, done: int, total: int) -> Any:
        try:
            return future.result()
        except KilledWorker as error:
            problem = f"{error.allowed_failures + 1} workers died at the same partition, perhaps for want of memory"
            raise PartitionFailed(problem, done=done, total=total) from error
        except Exception as error:
            if future.status == "error":
                raise
            raise PartitionFailed("the Dask scheduler was lost", done=done, total=total) from error


@contextlib.contextmanager
def open_cluster(
    scheduler: str = LOCAL, *, workers: int | None = None, connect_seconds: float = CONNECT_SECONDS
) -> Iterator[Cluster]:
    """A cluster, closed at the end if it was started here.

    Args:
        scheduler: ``local`` starts one process for each core, or ``workers`` of them; else the address of a scheduler.
        connect_seconds: How long to wait for the scheduler and its first worker.

    Raises:
        ClusterUnavailable: Nobody answers there, or there are no workers.
    """
    _silence_dask()
    with contextlib.ExitStack() as stack:
        if scheduler == LOCAL:
            client = stack.enter_context(_local(workers or os.cpu_count() or 1))
        else:
            client = stack.enter_context(_remote(scheduler, connect_seconds))
        try:
            client.wait_for_workers(1, timeout=connect_seconds)
        except TimeoutError as error:
            raise ClusterUnavailable(scheduler, "it has no workers") from error
        yield Cluster(client)


@contextlib.contextmanager
def _local(workers: int) -> Iterator[Client]:
    # What its profiler samples, it keeps for an hour: half a gigabyte in each worker.
    settings = {"distributed.nanny.pre-spawn-environ": _ENVIRONMENT, "distributed.worker.profile.enabled": False}
    with (
        dask.config.set(settings),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_Quiet())
        yield client


@contextlib.contextmanager
def _remote(address: str, connect_seconds: float) -> Iterator[Client]:
    try:
        client = Client(address, timeout=connect_seconds)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterUnavailable(address, "the scheduler does not answer") from error
    with client:
        yield client
