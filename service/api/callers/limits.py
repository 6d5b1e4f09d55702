"""Limits of each caller: calls per second, by a token bucket, and calls at the same time.

They are counted in this process, so N processes or replicas allow N times as much.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.api.queues import RETRY_SECONDS
from service.domain.errors import LimitExceeded

MAX_CALLERS = 10_000
"""Callers that are remembered. Of more, those that have called least recently are forgotten."""
MAX_RETRY_SECONDS = 5.0
MIN_UNTAKEN = 16
"""grpcio may say late that an answer was taken, after the client's next calls have come."""


@dataclass(slots=True)
class Usage:
    """What a caller has used.

    Attributes:
        tokens: Calls that may start now, as of ``counted_at``.
        running: Calls that are not answered.
        open: Calls that are not answered, or whose answer the client has not taken.
        next_retry_at: Time of the last retry that a refused call was told.
    """

    tokens: float
    counted_at: float
    running: int = 0
    open: int = 0
    next_retry_at: float = 0.0

    def answered(self) -> None:
        """Count that a call is answered."""
        self.running -= 1

    def leave(self) -> None:
        """Count that the client of an answered call has taken the answer or has left."""
        self.open -= 1


class CallerLimits:
    """Counts the calls of each caller. Its methods are called in one thread.

    Args:
        calls_per_second: Calls that a caller may start per second on average; as many may start at once. 0: no limit.
        concurrent_calls: Calls of a caller that may run or wait at the same time; and as many answers, or MIN_UNTAKEN
            if that is more, may wait for the client. 0: no limit.
        clock: Returns seconds of a monotonic clock.
    """

    def __init__(
        self, calls_per_second: float, concurrent_calls: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = calls_per_second
        self._burst = max(calls_per_second, 1.0)
        self._concurrent_calls = concurrent_calls
        self._clock = clock
        # Least recent callers first.
        self._usages: dict[str, Usage] = {}
        self._retry_seconds = itertools.cycle(RETRY_SECONDS)

    def enter(self, caller: str) -> Usage:
        """Count a call that begins. ``answered`` and then ``leave`` of the result must follow.

        Raises:
            LimitExceeded: The call is refused. Refused calls of one caller are told different times to retry.
        """
        if not self._rate and not self._concurrent_calls:
            return Usage(0.0, 0.0)
        now = self._clock()
        usage = self._usage(caller, now)
        most = self._concurrent_calls
        if most and (usage.running >= most or usage.open >= most + max(most, MIN_UNTAKEN)):
            raise LimitExceeded("calls at the same time", retry_after_seconds=next(self._retry_seconds))
        if self._rate:
            usage.tokens = min(self._burst, usage.tokens + (now - usage.counted_at) * self._rate)
            usage.counted_at = now
            if usage.tokens < 1:
                raise LimitExceeded("calls per second", retry_after_seconds=self._wait(usage, now))
            usage.tokens -= 1
        usage.running += 1
        usage.open += 1
        return usage

    def _wait(self, usage: Usage, now: float) -> float:
        """Return the seconds until a refused call should be repeated. Refused calls get the next tokens in turn."""
        wait = max(usage.next_retry_at - now, 0.0) + 1 / self._rate
        if wait > MAX_RETRY_SECONDS:
            wait = min(1 / self._rate, MAX_RETRY_SECONDS)
        usage.next_retry_at = now + wait
        return wait

    def _usage(self, caller: str, now: float) -> Usage:
        usage = self._usages.pop(caller, None) or Usage(self._burst, now)
        self._usages[caller] = usage
        if len(self._usages) > MAX_CALLERS:
            # A caller with running calls stays. If all have some, the server's own limits bound their number.
            idle = next((name for name, each in self._usages.items() if not each.open and name != caller), None)
            if idle is not None:
                del self._usages[idle]
        return usage
