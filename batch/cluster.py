"""The Dask cluster: connects to workers, sends them a job's shared data once, and hands out its tasks.

Only this module and ``batch.train.tree_growing``, which LightGBM calls with a Dask client, import Dask.

If a worker dies, its successor gets the same shared data, and Dask runs the lost task again. Only a few tasks per
worker thread are submitted at a time, so memory does not grow with the number of tasks.
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

from batch.errors import ClusterUnavailable, Failure, PartitionFailed

CONNECT_SECONDS = 10
TASKS_PER_THREAD = 2
"""Tasks submitted at a time for each worker thread, so that the next one is there when the last one ends."""
LOCAL = "local"

Given = TypeVar("Given")
Task = TypeVar("Task")
Result = TypeVar("Result")

# Threads inside a worker's libraries would only wait for one another; see ``ranker.blas``. These settings replace
# Dask's own: with its MALLOC_TRIM_THRESHOLD_ workers spend a fifth of their time on returning memory to the system.
_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class _Shared(WorkerPlugin):
    """Data that every worker gets once, including workers that join later."""

    def __init__(self, name: str, given: Any) -> None:
        self.name = name
        self.given = given


class _Quiet(WorkerPlugin):
    """Keeps local workers off the terminal: stdout is for results, and the job itself reports dead workers."""

    def setup(self, worker: Any) -> None:  # noqa: ARG002 -- the signature is Dask's
        # LightGBM's network prints from threads that ignore the log level.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
        _silence_dask()


def _silence_dask() -> None:
    """Turn off Dask's warnings of dead workers and slow event loops; the job reports what follows from them."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class _Call(Generic[Given, Task, Result]):
    """A function that runs in a worker, on the shared data and one task."""

    name: str
    function: Callable[[Given, Task], Result]

    def __call__(self, task: Task) -> Result:
        shared: Any = get_worker().plugins[self.name]
        return self.function(shared.given, task)


def _has_dashboard(dask_scheduler: Any) -> bool:
    """Return, in the scheduler, whether it serves a dashboard; it reports a port for one in any case."""
    return bool(dask_scheduler.http_application.applications)


class Cluster:
    """A connected cluster with at least one worker, and its Dask client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @cached_property
    def dashboard(self) -> str | None:
        """Address of Dask's dashboard; None if the scheduler serves none."""
        with contextlib.suppress(Exception):
            # A remote scheduler may lack this code or refuse to run it. Its own address is then taken on trust.
            if not self.client.run_on_scheduler(_has_dashboard):
                return None
        return str(self.client.dashboard_link)

    @property
    def thread_count(self) -> int:
        """Number of threads of all workers."""
        return sum(self.client.nthreads().values())

    @property
    def worker_count(self) -> int:
        """Number of worker processes."""
        return len(self.client.nthreads())

    def in_each_worker(self, function: Callable[[], Result]) -> list[Result]:
        """Run a function once in every worker process and return the results."""
        return list(self.client.run(function).values())

    def each(
        self,
        name: str,
        function: Callable[[Given, Task], Result | Failure],
        given: Given,
        tasks: Sequence[Task],
        take: Callable[[Result], str],
        *,
        done: int = 0,
    ) -> None:
        """Run ``function(given, task)`` in the workers and pass every result to ``take``, in any order.

        After the first problem no further task is submitted. The results of tasks that already run are still taken.

        Args:
            name: Name of the job. Two jobs with one name must not run at the same time.
            given: Sent to each worker once.
            take: Returns the problem of a result, or an empty text.
            done: Number of tasks of the job that an earlier run completed; error messages count them.

        Raises:
            PartitionFailed: A task failed or killed several workers, or the scheduler was lost.
        """
        self.client.register_plugin(_Shared(name, given))
        call = _Call(name, function)
        waiting = iter(tasks)
        total, problem = done + len(tasks), ""
        out = as_completed(raise_errors=False)
        try:
            out.update(self._submit(call, waiting, TASKS_PER_THREAD * max(self.thread_count, 1)))
            for future in out:
                result = self._result(future, done, total)
                future.release()
                found = result.problem if isinstance(result, Failure) else take(result)
                done += not found
                problem = problem or found
                if problem:
                    waiting = iter(())
                out.update(self._submit(call, waiting, 1))
        finally:
            with contextlib.suppress(Exception):
                # A lost scheduler has already forgotten both.
                self.client.cancel(list(out.futures))
                self.client.unregister_worker_plugin(name)
        if problem:
            raise PartitionFailed(problem, done=done, total=total)

    def _submit(self, call: Callable[[Task], Result], waiting: Iterator[Task], count: int) -> list[Any]:
        """Submit the next ``count`` tasks, or as many as are left, and return their futures."""
        return [self.client.submit(call, task, pure=False) for task in islice(waiting, count)]

    @staticmethod
    def _result(future: Any, done: int, total: int) -> Any:
        try:
            return future.result()
        except KilledWorker as error:
            problem = f"{error.allowed_failures + 1} workers died at the same partition, perhaps for lack of memory"
            raise PartitionFailed(problem, done=done, total=total) from error
        except Exception as error:
            if future.status == "error":
                raise
            raise PartitionFailed("the Dask scheduler was lost", done=done, total=total) from error


@contextlib.contextmanager
def open_cluster(
    scheduler: str = LOCAL, *, workers: int | None = None, connect_seconds: float = CONNECT_SECONDS
) -> Iterator[Cluster]:
    """Connect to a cluster; a cluster that was started here is closed at the end.

    Args:
        scheduler: ``local`` starts worker processes on this machine; anything else is the address of a scheduler.
        workers: Number of local worker processes; None starts one for each core.
        connect_seconds: How long to wait for the scheduler and for its first worker.

    Raises:
        ClusterUnavailable: The scheduler does not answer or has no workers.
    """
    _silence_dask()
    opened = _local(workers or os.cpu_count() or 1) if scheduler == LOCAL else _remote(scheduler, connect_seconds)
    with opened as client:
        try:
            client.wait_for_workers(1, timeout=connect_seconds)
        except TimeoutError as error:
            raise ClusterUnavailable(scheduler, "it has no workers") from error
        yield Cluster(client)


@contextlib.contextmanager
def _local(workers: int) -> Iterator[Client]:
    # Dask's profiler keeps its samples for an hour: half a gigabyte in each worker.
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
