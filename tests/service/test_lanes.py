"""Which calls a lane lets in."""

import threading
from collections.abc import Iterator

import pytest

from service.api.lanes import CALM_SECONDS, SMOOTHING, Lane

THREADS = 2


class HandClock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Calls:
    """Calls that last until they are let go."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._go = threading.Event()
        self._at_work = threading.Semaphore(0)

    def come(self, count: int) -> int:
        """So many arrive at once; gives how many are let in. Those whose turn it is are at work then."""
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
        with self._lane.turn():
            self._at_work.release()
            self._go.wait(20)

    def end(self) -> None:
        """All of them are answered."""
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
    """As many as there are threads and waiting places are let in."""
    assert calls.come(20) == THREADS + 8
    assert lane.count == THREADS + 8


def test_overload_keeps_the_queue_short(lane: Lane, calls: Calls) -> None:
    """After a refusal only one may wait for every two threads."""
    calls.come(20)
    calls.end()

    assert lane.is_crowded
    assert calls.come(20) == THREADS + 1


def test_overload_ends_a_second_after_the_last_refusal(lane: Lane, calls: Calls, clock: HandClock) -> None:
    """Refusals count, not calls that were let in."""
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


def test_what_counts_is_how_long_calls_took(lane: Lane, calls: Calls, clock: HandClock) -> None:
    """After calls of ten seconds each the mean is half a second: four may wait for two threads, the last a second."""
    calls.come(1)
    clock.seconds += 10.0
    calls.end()

    assert pytest.approx(0.5) == SMOOTHING * 10
    assert calls.come(20) == THREADS + 4


def test_a_free_thread_is_always_given(clock: HandClock) -> None:
    """However long calls took, one that need not wait is let in."""
    with Lane("test", 1, max_waiting=0, max_wait_seconds=0.001, clock=clock) as lane:
        calls = Calls(lane)
        assert calls.come(1) == 1
        clock.seconds += 1_000
        calls.end()
        assert calls.come(3) == 1
        calls.end()


def test_crowded_means_as_many_wait_as_work(lane: Lane, calls: Calls) -> None:
    """That is when a feed made ahead of time is served."""
    calls.come(2 * THREADS - 1)
    before = lane.is_crowded
    calls.come(1)

    assert (before, lane.is_crowded) == (False, True)


def test_a_call_that_raises_leaves_too(lane: Lane) -> None:
    """It is neither at work nor waiting any more, and its place is free."""

    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        lane.submit(fail).result()

    assert lane.wait_until_idle(5)
    assert lane.count == 0


def test_calls_at_work_for_long_are_expected_to_last(lane: Lane, calls: Calls, clock: HandClock) -> None:
    """With every turn taken for longer than a call may wait, the next is refused, however short calls were of late."""
    calls.come(1)
    clock.seconds += 5.0
    calls.come(1)
    clock.seconds += 0.9

    early = calls.come(1)
    clock.seconds += 0.2

    assert (early, calls.come(1)) == (1, 0)


def test_waiting_for_a_client_is_not_work(lane: Lane, calls: Calls, clock: HandClock) -> None:
    """Calls on threads without a turn keep none from working, and the time they take is not expected of others."""
    gone = threading.Event()
    for _ in range(THREADS):
        lane.submit(gone.wait, 20)
    with_turn = threading.Event()

    def work() -> None:
        with lane.turn():
            with_turn.set()

    lane.submit(work)
    worked = with_turn.wait(20)
    clock.seconds += 1_000.0
    gone.set()
    calls.end()

    assert worked
    assert calls.come(20) == THREADS + 8


def test_turns_go_to_who_came_first(clock: HandClock) -> None:
    """One that works on at once after its turn, as a stream does, goes behind those that wait."""
    order: list[str] = []
    waiting, begun = threading.Event(), threading.Event()
    with Lane("test", 1, max_waiting=8, clock=clock) as lane:

        def stream() -> None:
            with lane.turn():
                begun.set()
                waiting.wait(20)
            with lane.turn():
                order.append("stream")

        def other() -> None:
            with lane.turn():
                order.append("other")

        lane.submit(stream)
        begun.wait(20)
        lane.submit(other)
        while not lane._line:
            threading.Event().wait(0.001)
        waiting.set()
        assert lane.wait_until_idle(20)

    assert order == ["other", "stream"]
