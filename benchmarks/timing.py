"""Wall-clock times of calls in this process."""

import statistics
import time
from collections.abc import Callable, Mapping

LEAST_ROUNDS, ENOUGH_SECONDS = 5, 20.0


def seconds_of(call: Callable[[], object]) -> float:
    """Return the seconds that the call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def median_milliseconds(calls: Mapping[str, Callable[[int], object]], users: int, rounds: int) -> dict[str, float]:
    """Return the median time of each call over the rounds.

    In each round the calls take turns, with the number of the next user as argument. Before that, one untimed round for
    each user fills caches. After ``ENOUGH_SECONDS`` the rounds end early, but not before ``LEAST_ROUNDS``.
    """
    found: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + ENOUGH_SECONDS
    for turn in range(users + rounds):
        if turn >= users + LEAST_ROUNDS and time.perf_counter() > end:
            break
        for name, call in calls.items():
            began = time.perf_counter()
            call(turn % users)
            if turn >= users:
                found[name].append((time.perf_counter() - began) * 1_000)
    return {name: statistics.median(each) for name, each in found.items()}
