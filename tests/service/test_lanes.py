"""Admission of calls to a lane, and the order in which its worker threads serve them."""

import threading
from collections.abc import Iterator

import pytest

from service.api.lanes import CALM_SECONDS, PATIENCE_SECONDS, SMOOTHING, Lane

THREADS = 2


class HandClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Calls:
    """Calls that last until ``end``."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._go = threading.Event()
        self._at_work = threading.Semaphore(0)

    def come(self, count: int) -> int:
        """Let ``count`` calls arrive at once, wait until the free threads work, and return the number admitted."""
        free = THREADS - self._lane.count
        admitted = 0
        for _ in range(count):
            if self._lane.admits():
                self._lane.submit(self._work)
                admitted += 1
        for _ in range(min(free, admitted)):
            assert self._at_work.acquire(timeout=20)
        return admitted

    def _work(self) -> None:
        self._at_work.release()
        self._go.wait(20)

    def end(self) -> None:
        """Answer all calls."""
        self._go.set()
        assert self._lane.wait_until_idle(20)
        self._go.clear()
        self._at_work = threading.Semaphore(0)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def lane(clock: HandClock) -> Iterator[Lane]:
    with Lane("test", THREADS, max_waiting=8, max_wait_seconds=1.0, clock=clock) as lane:
        yield lane


@pytest.fixture
def calls(lane: Lane) -> Iterator[Calls]:
    calls = Calls(lane)
    yield calls
    calls.end()


def test_a_burst_may_wait(lane: Lane, calls: Calls) -> None:
    """The lane admits as many calls as it has threads and waiting places."""
    assert calls.come(20) == THREADS + 8
    assert lane.count == THREADS + 8


def test_overload_keeps_the_queue_short(lane: Lane, calls: Calls) -> None:
    """After a refusal only one call may wait for every two threads."""
    calls.come(20)
    calls.end()

    assert lane.is_crowded
    assert calls.come(20) == THREADS + 1


def test_overload_ends_a_second_after_the_last_refusal(lane: Lane, calls: Calls, clock: HandClock) -> None:
    """Only refusals prolong the overload, not admitted calls."""
    calls.come(20)
    calls.end()
    clock.seconds += 0.9 * CALM_SECONDS
    calls.come(20)
    calls.end()
    clock.seconds += 0.9 * CALM_SECONDS
    still_short = calls.come(THREADS + 1)
    calls.end()
    clock.seconds += 0.2 * CALM_SECONDS

    assert still_short == THREADS + 1
    assert not lane.is_crowded
    assert calls.come(20) == THREADS + 8


def test_long_calls_shorten_the_queue(lane: Lane, calls: Calls, clock: HandClock) -> None:
    """A call of ten seconds raises the mean to half a second: four may wait for two threads, the last for a second."""
    calls.come(1)
    clock.seconds += 10.0
    calls.end()

    assert pytest.approx(0.5) == SMOOTHING * 10
    assert calls.come(20) == THREADS + 4


def test_a_free_thread_is_always_given(clock: HandClock) -> None:
    """A call that need not wait is admitted, even if earlier calls took long."""
    with Lane("test", 1, max_waiting=0, max_wait_seconds=0.001, clock=clock) as lane:
        calls = Calls(lane)
        assert calls.come(1) == 1
        clock.seconds += 1_000
        calls.end()
        assert calls.come(3) == 1
        calls.end()


def test_crowded_means_as_many_wait_as_work(lane: Lane, calls: Calls) -> None:
    """A lane is crowded, and precomputed slates are served, when as many calls wait as are being worked on."""
    calls.come(2 * THREADS - 1)
    before = lane.is_crowded
    calls.come(1)

    assert (before, lane.is_crowded) == (False, True)


def test_a_call_that_raises_leaves_too(lane: Lane) -> None:
    """A call that raises leaves the lane, and its place is free."""

    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        lane.submit(fail).result()

    assert lane.wait_until_idle(5)
    assert lane.count == 0


def test_calls_at_work_for_long_are_expected_to_last(lane: Lane, calls: Calls, clock: HandClock) -> None:
    """If all threads are busy for longer than a call may wait, the next call is refused, even after short calls."""
    calls.come(1)
    clock.seconds += 5.0
    calls.come(1)
    clock.seconds += 0.9

    early = calls.come(1)
    clock.seconds += 0.2

    assert (early, calls.come(1)) == (1, 0)


def test_waiting_for_a_client_is_not_work(lane: Lane, calls: Calls, clock: HandClock) -> None:
    """A call that waits for its message does not block others, and its wait does not count in the expected wait."""
    came, worked = threading.Event(), threading.Event()
    waiting = threading.Semaphore(0)
    after: list[str] = []

    def silent() -> None:
        with lane.for_message():
            waiting.release()
            came.wait(20)
        after.append("silent")

    for _ in range(THREADS):
        lane.submit(silent)
        assert waiting.acquire(timeout=20)
    lane.submit(worked.set)
    lane.lend()
    early = worked.wait(0.1)
    clock.seconds += PATIENCE_SECONDS
    lane.lend()
    late = worked.wait(20)
    clock.seconds += 1_000.0
    came.set()
    calls.end()

    assert (early, late) == (False, True)
    assert after == ["silent"] * THREADS
    assert calls.come(20) == THREADS + 8


def test_a_call_that_waited_for_its_message_queues_again(clock: HandClock) -> None:
    """When its message has arrived, the call waits until fewer than ``threads`` calls are being worked on."""
    came, waits = threading.Event(), threading.Event()
    order: list[str] = []
    with Lane("test", 1, max_waiting=8, clock=clock) as lane:

        def silent() -> None:
            with lane.for_message():
                waits.set()
                came.wait(20)
            order.append("silent")

        def other() -> None:
            came.set()
            while len(lane._line) < 1:
                threading.Event().wait(0.001)
            order.append("other")

        lane.submit(silent)
        waits.wait(20)
        lane.submit(other)
        clock.seconds += PATIENCE_SECONDS
        lane.lend()
        assert lane.wait_until_idle(20)

    assert order == ["other", "silent"]


def test_first_come_first_served(clock: HandClock) -> None:
    """A call that continues after its turn, such as a stream, goes behind the waiting calls."""
    order: list[str] = []
    waiting, begun = threading.Event(), threading.Event()
    with Lane("test", 1, max_waiting=8, clock=clock) as lane:

        def stream() -> None:
            begun.set()
            waiting.wait(20)
            with lane.apart():
                pass
            order.append("stream")

        lane.submit(stream)
        begun.wait(20)
        lane.submit(order.append, "other")
        while len(lane._line) < 1:
            threading.Event().wait(0.001)
        waiting.set()
        assert lane.wait_until_idle(20)

    assert order == ["other", "stream"]
