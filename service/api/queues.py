"""Bounded first-come queues of calls with worker threads.

Waiting calls may be run together: a thread that becomes free takes all waiting calls of the same kind as one job, as
the dynamic batching of TensorFlow Serving and Triton does. A single call starts at once, unless one of its kind runs.
"""

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from service.domain.errors import Overloaded
from telemetry.record import recorder

MAX_TOGETHER = 16
"""Most calls that are made as one job."""
# Retry delays, used in turn so that refused clients do not all retry at the same time.
RETRY_SECONDS = (0.5, 1.1, 0.7, 1.3, 0.9, 1.5)
# Weight of the latest call in the moving average of call durations.
SMOOTHING = 0.05
# A warning about refused calls is logged at most once in this time.
WARNING_SECONDS = 10.0
_log = logging.getLogger("paperfeed.admission")
Argument = TypeVar("Argument")


@dataclass(frozen=True)
class Work(Generic[Argument]):
    """What a worker thread does for a call with its argument.

    Attributes:
        alone: Returns the result of one call.
        together: Returns the results of several calls of one kind; None if each call is run alone.
    """

    alone: Callable[[Argument], Any]
    together: Callable[[Sequence[Argument]], Sequence[Any]] | None = None


@dataclass(eq=False, slots=True)
class _Job:
    work: Work[Any]
    argument: Any
    kind: Hashable
    result: "asyncio.Future[Any]"
    context: Context
    """Context of the call, in which its work runs. It names the call's span."""
    queued_at: float


class Refusals:
    """Counts refused calls, and warns of them at most once in ``WARNING_SECONDS``.

    Attributes:
        count: Number of calls refused since the start.
    """

    def __init__(self, log: logging.Logger, message: str) -> None:
        self.count = 0
        self._log = log
        self._message = message
        self._warned_count, self._warned_at = 0, -WARNING_SECONDS

    def add(self, **facts: object) -> None:
        """Count a refused call; ``facts`` describe it if it is the one that is logged."""
        self.count += 1
        now = time.monotonic()
        if now - self._warned_at >= WARNING_SECONDS:
            refused = self.count - self._warned_count
            self._log.warning(self._message, extra={"facts": facts | {"refused": refused}})
            self._warned_count, self._warned_at = self.count, now


class CallQueue:
    """A queue for one class of calls, with ``threads`` worker threads. Its methods are called in one event loop.

    A call is refused if all threads are busy and the queue is full, if the expected wait is longer than the call's
    deadline or ``max_wait_seconds``, or if the messages of all calls would take more than ``max_bytes``.

    Args:
        max_wait_seconds: Limit for the expected wait: the number of waiting calls times their mean duration, divided by
            the number of busy threads.
        max_bytes: Limit for the messages of running and waiting calls; a single call may exceed it.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        max_waiting: int,
        max_wait_seconds: float = float("inf"),
        max_bytes: int = 64 * 2**20,
    ) -> None:
        self._name = name
        self._thread_count = threads
        self._max_waiting = max_waiting
        self._max_wait_seconds = max_wait_seconds
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._running: set[Hashable] = set()
        """Kinds of the calls that run. Meanwhile, further calls of a kind gather; together they take less time."""
        self._busy_threads = 0
        self._bytes = 0
        self._mean_seconds = 0.0
        self._is_closed = False
        self._retry_seconds = itertools.cycle(RETRY_SECONDS)
        self.refusals = Refusals(_log, "overload: calls are refused")
        """The calls refused since the start."""
        for number in range(threads):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    @property
    def name(self) -> str:
        """Name of the class of calls."""
        return self._name

    @property
    def length(self) -> int:
        """Number of waiting calls."""
        return len(self._waiting)

    @property
    def is_crowded(self) -> bool:
        """Whether as many calls wait as there are threads."""
        return len(self._waiting) >= self._thread_count

    def check_room(self, size: int = 0, seconds: float = float("inf")) -> None:
        """Refuse a call that arrives now if it must be refused.

        Args:
            size: Bytes of its message.
            seconds: Time to its deadline.

        Raises:
            Overloaded: The call is refused.
        """
        waiting = self._busy_threads + len(self._waiting) - self._thread_count
        if waiting < 0:
            return
        expected_seconds = (waiting + 1) * self._mean_seconds / max(self._busy_threads, 1)
        if (
            waiting >= self._max_waiting
            or expected_seconds > min(self._max_wait_seconds, seconds)
            or (self._bytes and self._bytes + size > self._max_bytes)
        ):
            self.refusals.add(queue=self._name, waiting=waiting, expected_seconds=round(expected_seconds, 3))
            raise Overloaded("calls", retry_after_seconds=next(self._retry_seconds))

    async def run(self, work: Work[Argument], argument: Argument, *, kind: Hashable = None, size: int = 0) -> Any:
        """Wait for a worker thread and return the result of ``work``. If cancelled before, ``work`` does not run.

        Args:
            kind: Calls of one kind may be run together; a call of kind None is run alone.
            size: Bytes of the argument.
        """
        loop = asyncio.get_running_loop()
        job = _Job(work, argument, kind, loop.create_future(), copy_context(), time.perf_counter())
        self._bytes += size
        try:
            with self._changed:
                self._waiting.append(job)
                if kind not in self._running:
                    self._changed.notify()
            return await job.result
        finally:
            self._bytes -= size

    def close(self) -> None:
        """End the threads when all waiting calls have been run."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        """Run calls until the queue is closed; each worker thread does this."""
        while jobs := self._next_jobs():
            start = time.perf_counter()
            _record_waits(jobs, start)
            results = _results(jobs)
            seconds = (time.perf_counter() - start) / len(jobs)
            with self._changed:
                self._busy_threads -= 1
                self._running.discard(jobs[0].kind)
                self._mean_seconds += SMOOTHING * (seconds - self._mean_seconds)
            # The loop is closed if the server has stopped without waiting for the call.
            loop = jobs[0].result.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_deliver, jobs, results)
            del jobs, results

    def _next_jobs(self) -> list[_Job]:
        """Wait for calls and return those to run as one job; empty if the queue is closed."""
        with self._changed:
            while not (jobs := self._ready()) and not self._is_closed:
                self._changed.wait()
            if jobs:
                self._waiting = [job for job in self._waiting if job not in jobs]
                self._busy_threads += 1
                self._running |= {jobs[0].kind} - {None}
                if self._ready():
                    self._changed.notify()
            return jobs

    def _ready(self) -> list[_Job]:
        """Return the waiting calls that may run now as one job; forget those that were cancelled."""
        self._waiting = [job for job in self._waiting if not job.result.done()]
        first = next((job for job in self._waiting if job.kind not in self._running), None)
        if first is None or first.kind is None:
            return [first] if first else []
        return [job for job in self._waiting if job.kind == first.kind][:MAX_TOGETHER]


def _results(jobs: Sequence[_Job]) -> list[Any]:
    """Return each job's result, or the exception that it raised."""
    together = jobs[0].work.together
    if len(jobs) > 1 and together is not None:
        arguments = [job.argument for job in jobs]
        try:
            return _leader(jobs).context.run(_run_together, together, arguments, _spans(jobs))
        except Exception:  # noqa: BLE001 -- each call is made again, alone, so that one does not fail the others
            _log.debug("calls that were run together failed; each is run alone", exc_info=True)
    return [_result(job) for job in jobs]


def _record_waits(jobs: Sequence[_Job], end: float) -> None:
    for job in jobs:
        try:
            job.context.run(recorder().waited, "queue", end - job.queued_at)
        except Exception:  # noqa: BLE001 -- the worker thread must outlive it
            _log.debug("a wait could not be recorded", exc_info=True)


def _leader(jobs: Sequence[_Job]) -> _Job:
    """Return the job whose trace shows the work of all: the first one that is recorded."""
    if not recorder().is_tracing:
        return jobs[0]
    return next((job for job in jobs if job.context.run(recorder().is_sampled)), jobs[0])


def _spans(jobs: Sequence[_Job]) -> list[object]:
    return [job.context.run(recorder().span) for job in jobs] if recorder().is_tracing else []


def _run_together(
    together: Callable[[Sequence[Argument]], Sequence[Any]], arguments: Sequence[Argument], spans: Sequence[object]
) -> list[Any]:
    recorder().link(spans)
    return list(together(arguments))


def _result(job: _Job) -> Any:
    try:
        return job.context.run(job.work.alone, job.argument)
    except Exception as error:  # noqa: BLE001 -- passed to the waiting call
        return error


def _deliver(jobs: Sequence[_Job], results: Sequence[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if job.result.done():
            continue
        if isinstance(result, Exception):
            job.result.set_exception(result)
        else:
            job.result.set_result(result)
