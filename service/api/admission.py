"""Which calls are let in: those that can be answered soon. The others hear at once when to come again.

A call is refused as it arrives, on the server's own thread, before its message is read or a worker thread is asked: what
is refused must cost little, or a flood would leave no time for what is accepted. The caller's deadline is not known
there (grpcio shows it to handlers only); a call whose deadline passes while it waits is dropped unworked, by grpcio.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn, TypeAlias

import grpc

from service.api.status import packed
from service.app.counters import Counters
from service.domain.errors import Overloaded

PREFIX = "/paperfeed.v1."
STATUS_METHODS = "/paperfeed.v1.StatusService/"
"""Whoever asks how the server is must hear it when it is not well."""
BULK_METHODS = frozenset(
    PREFIX + name
    for name in (
        "CatalogService/UpsertPapers",
        "FeedService/FindSimilarPapers",
        "FeedService/RankPapers",
        "FeedService/StreamFeeds",
        "ProfileService/ExportUser",
    )
)
"""Calls that may take seconds: they embed text, read much, or last as long as the client reads."""
# A lane that has refused somebody keeps its queue short until so long nobody had to be refused.
CALM_SECONDS = 1.0
# The weight of the latest call in the mean time that calls take.
SMOOTHING = 0.05
# When the refused may come again, in turn: not all at once.
RETRY_SECONDS = (0.5, 1.1, 0.7, 1.3, 0.9, 1.5)
# Who has just got an answer may call again at once and shall hear UNAVAILABLE. So long without a call is quiet.
QUIET_SECONDS = 0.25
_log = logging.getLogger("paperfeed.admission")
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Lane(ThreadPoolExecutor):
    """Worker threads for one kind of calls, and the rule that says whether one more may wait for them.

    As long as all goes well many may wait: ``max_waiting``, or as many as fit in ``max_wait_seconds``. Once one had to
    be refused this is no burst but overload, where a long queue helps nobody: it only makes every answer late. From
    then on only as many may wait as there are threads, until nobody was refused for a second.

    Args:
        max_wait_seconds: By the mean time that calls took of late.
    """

    def __init__(self, name: str, threads: int, max_waiting: int, max_wait_seconds: float = float("inf")) -> None:
        super().__init__(threads, name)
        self._name = name
        self._thread_count = threads
        self._max_waiting = max_waiting
        self._max_wait_seconds = max_wait_seconds
        self._changed = threading.Condition()
        self._count = 0
        self._mean_seconds = 0.0
        self._sheds_until = 0.0
        self._refused_count = 0

    @property
    def count(self) -> int:
        """Calls at work or waiting."""
        return self._count

    @property
    def most(self) -> int:
        """Calls that are ever at work or waiting."""
        return self._thread_count + self._max_waiting

    @property
    def is_crowded(self) -> bool:
        """Whether as many wait as are at work, or calls are being refused."""
        return self._count >= 2 * self._thread_count or time.monotonic() < self._sheds_until

    def admits(self) -> bool:
        """Whether a call that arrives now may wait, or need not."""
        with self._changed:
            now, waiting = time.monotonic(), self._count - self._thread_count
            sheds = now < self._sheds_until
            if not sheds and self._refused_count:
                _log.warning("overload ended", extra={"facts": {"lane": self._name, "refused": self._refused_count}})
                self._refused_count = 0
            limit = min(self._thread_count, self._max_waiting) if sheds else self._max_waiting
            expected_seconds = (waiting + 1) * self._mean_seconds / self._thread_count
            if waiting < 0 or (waiting < limit and expected_seconds <= self._max_wait_seconds):
                return True
            if not self._refused_count:
                facts = {"lane": self._name, "waiting": waiting, "expected_seconds": round(expected_seconds, 3)}
                _log.warning("overload: calls are refused", extra={"facts": facts})
            self._refused_count += 1
            self._sheds_until = now + CALM_SECONDS
            return False

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As the base class."""
        with self._changed:
            self._count += 1
        try:
            future = super().submit(self._timed, call, *args, **kwargs)
        except RuntimeError:
            self._leave(0)
            raise
        # A call that is cancelled before its turn is never timed.
        future.add_done_callback(lambda done: self._leave(0.0 if done.cancelled() else done.result()))
        return future

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether nothing was left to do within so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)

    @staticmethod
    def _timed(call: Callable[..., Any], *args: Any, **kwargs: Any) -> float:
        began = time.monotonic()
        call(*args, **kwargs)
        return time.monotonic() - began

    def _leave(self, seconds: float) -> None:
        with self._changed:
            self._count -= 1
            if seconds:
                self._mean_seconds += SMOOTHING * (seconds - self._mean_seconds)
            if not self._count:
                self._changed.notify_all()


class Gate(grpc.ServerInterceptor):
    """Sends each of our calls into its lane, or away. Health, reflection and GetStatus always pass.

    Who is sent away gets no request id and no line in the log, but is counted.
    """

    def __init__(self, quick: Lane, bulk: Lane, counters: Counters) -> None:
        self._quick = quick
        self._bulk = bulk
        self._counters = counters
        self._is_closed = False
        self._called_at = 0.0
        pool = ThreadPoolExecutor(1, "refuse")
        self._stopping = _refusal(pool, grpc.StatusCode.UNAVAILABLE, "the server is stopping", ())
        self._overloaded = itertools.cycle(
            [_refusal(pool, *packed(Overloaded("calls", retry_after_seconds=seconds))) for seconds in RETRY_SECONDS]
        )

    def close(self) -> None:
        """From now on calls get UNAVAILABLE at once.

        gRPC's own stop() gives CANCELLED, which clients do not retry, to calls that arrived and were not yet looked at.
        """
        self._is_closed = True

    def wait_until_quiet(self, seconds: float) -> None:
        """Returns when nobody has called for a moment, or after so long."""
        now = self._called_at = time.monotonic()
        end = now + seconds
        while (now := time.monotonic()) < min(end, self._called_at + QUIET_SECONDS):
            time.sleep(min(end, self._called_at + QUIET_SECONDS) - now)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Called on the server's own thread, in the order in which calls arrive."""
        path = handler_call_details.method
        if not path.startswith(PREFIX):
            return continuation(handler_call_details)
        if self._is_closed:
            self._called_at = time.monotonic()
            return self._stopping
        if path.startswith(STATUS_METHODS):
            return continuation(handler_call_details)
        lane = self._bulk if path in BULK_METHODS else self._quick
        if not lane.admits():
            self._counters.count_call(path.removeprefix(PREFIX), grpc.StatusCode.RESOURCE_EXHAUSTED.name)
            return next(self._overloaded)
        handler = continuation(handler_call_details)
        if handler is not None:
            # The next interceptor makes a new function for each call, so that this one may carry its lane.
            behavior: Any = handler.unary_unary or handler.unary_stream
            behavior.experimental_thread_pool = lane
        return handler


def _refusal(
    pool: ThreadPoolExecutor, code: grpc.StatusCode, message: str, trailer: tuple[tuple[str, str | bytes], ...]
) -> Handler:
    """A handler that ends each call so. It says that it takes a stream, so that grpcio does not wait for the message."""

    def refuse(_requests: object, context: grpc.ServicerContext) -> NoReturn:
        context.set_trailing_metadata(trailer)
        context.abort(code, message)
        raise AssertionError("abort raises")

    refuse.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return grpc.stream_unary_rpc_method_handler(refuse)
