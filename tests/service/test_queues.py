"""Admission of calls to a queue, the order in which threads make them, and calls that are made together."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from service.api.queues import MAX_TOGETHER, SMOOTHING, CallQueue, Work
from service.domain.errors import Overloaded
from testing.calls import wait_until

THREADS, WAITING = 2, 8


class Calls:
    """Calls that last until ``go`` is set; ``made`` lists their numbers in order of their start."""

    def __init__(self, queue: CallQueue, threads: int = THREADS) -> None:
        self.queue = queue
        self._threads = threads
        self.go = threading.Event()
        self.made: list[Any] = []
        self.tasks: list[asyncio.Task[Any]] = []

    def _make(self, number: int) -> int:
        self.made.append(number)
        assert self.go.wait(20)
        return number

    async def come(self, count: int) -> int:
        """Let calls arrive at once, wait until the threads have taken theirs, and return the number admitted."""
        admitted = 0
        for _ in range(count):
            try:
                self.queue.check_room()
            except Overloaded:
                continue
            admitted += 1
            number = len(self.tasks)
            self.tasks.append(asyncio.create_task(self.queue.run(Work(self._make), number)))
            await asyncio.sleep(0)
        expected = min(len(self.tasks), self._threads)
        await asyncio.to_thread(wait_until, lambda: len(self.made) >= expected)
        return admitted

    async def end(self) -> list[int]:
        """Answer all calls; return their results."""
        self.go.set()
        results = await asyncio.gather(*self.tasks)
        self.go.clear()
        self.tasks, self.made = [], []
        return results


@pytest.fixture
def queue() -> Iterator[CallQueue]:
    queue = CallQueue("test", threads=THREADS, max_waiting=WAITING, max_wait_seconds=1.0, max_bytes=1_000)
    yield queue
    queue.close()


@pytest.fixture
def calls(queue: CallQueue) -> Calls:
    return Calls(queue)


async def blocked(queue: CallQueue, go: threading.Event) -> list[asyncio.Task[Any]]:
    """Keep both threads busy until ``go`` is set."""
    begun = threading.Semaphore(0)

    def work(_: None) -> None:
        begun.release()
        assert go.wait(20)

    tasks = [asyncio.create_task(queue.run(Work(work), None)) for _ in range(THREADS)]
    for _ in range(THREADS):
        assert await asyncio.to_thread(begun.acquire, timeout=20)
    return tasks


def test_a_burst_may_wait_and_the_rest_is_refused(calls: Calls) -> None:
    """As many calls are admitted as there are threads and waiting places; a refusal says when to retry."""

    async def burst() -> tuple[int, float, list[int]]:
        admitted = await calls.come(20)
        with pytest.raises(Overloaded) as refused:
            calls.queue.check_room()
        return admitted, refused.value.retry_after_seconds, await calls.end()

    admitted, retry_seconds, results = asyncio.run(burst())

    assert admitted == THREADS + WAITING
    assert retry_seconds > 0
    assert results == list(range(THREADS + WAITING))


def test_refusals_end_with_their_cause(calls: Calls) -> None:
    """When the calls of a burst have ended, the next burst is admitted as the first was."""

    async def bursts() -> list[int]:
        admitted = []
        for _ in range(3):
            admitted.append(await calls.come(20))
            await calls.end()
            # The calls lasted only milliseconds, so the expected wait stays short.
        return admitted

    assert asyncio.run(bursts()) == [THREADS + WAITING] * 3


def test_a_call_that_would_wait_too_long_is_refused() -> None:
    """The expected wait is the number of waiting calls times their mean duration, shared by the threads."""
    queue = CallQueue("test", threads=1, max_waiting=100, max_wait_seconds=3.5 * SMOOTHING * 0.2)
    calls = Calls(queue, threads=1)

    async def main() -> int:
        await queue.run(Work(time.sleep), 0.2)
        admitted = await calls.come(20)
        await calls.end()
        return admitted

    # One runs; three may wait if each takes a twentieth of 0.2 seconds.
    assert asyncio.run(main()) == 4
    queue.close()


def test_a_call_with_too_short_a_deadline_is_refused(queue: CallQueue) -> None:
    """A call that would wait past its deadline is refused at once."""
    go = threading.Event()

    async def main() -> None:
        await queue.run(Work(time.sleep), 0.2)
        tasks = await blocked(queue, go)
        queue.check_room(seconds=1.0)
        with pytest.raises(Overloaded):
            queue.check_room(seconds=0.001)
        go.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_a_free_thread_is_always_given() -> None:
    """A call that need not wait is admitted, however long earlier calls took and however large it is."""
    queue = CallQueue("test", threads=1, max_waiting=0, max_wait_seconds=0.001, max_bytes=10)

    async def main() -> None:
        for _ in range(2):
            queue.check_room(size=1_000, seconds=0.001)
            await queue.run(Work(time.sleep), 0.05, size=1_000)

    asyncio.run(main())
    queue.close()


def test_messages_are_bounded_by_bytes(queue: CallQueue) -> None:
    """Calls are refused when the messages of running and waiting calls would take too much memory."""
    go = threading.Event()

    async def main() -> None:
        tasks = await blocked(queue, go)
        waiting = asyncio.create_task(queue.run(Work(str), "message", size=600))
        await asyncio.sleep(0)
        queue.check_room(size=400)
        with pytest.raises(Overloaded):
            queue.check_room(size=401)
        go.set()
        await asyncio.gather(*tasks, waiting)
        queue.check_room(size=401)

    asyncio.run(main())


def test_calls_are_made_in_order_of_arrival(calls: Calls) -> None:
    """With one thread, calls start in the order in which they came."""
    queue = CallQueue("test", threads=1, max_waiting=WAITING)
    order: list[int] = []

    async def main() -> None:
        await asyncio.gather(*(queue.run(Work(order.append), number) for number in range(8)))

    asyncio.run(main())
    queue.close()

    assert order == list(range(8))


def test_a_call_that_leaves_while_it_waits_is_not_made(queue: CallQueue) -> None:
    """A call that is cancelled in the queue is never made, and the others are."""
    go, made = threading.Event(), []

    async def main() -> None:
        tasks = await blocked(queue, go)
        left, stays = (asyncio.create_task(queue.run(Work(made.append), name)) for name in ("left", "stays"))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*tasks, stays)

    asyncio.run(main())

    assert made == ["stays"]


def test_an_error_reaches_its_call(queue: CallQueue) -> None:
    """A call that raises gets its error, and its thread makes further calls."""

    async def main() -> list[Any]:
        failing = [queue.run(Work(int), "no number") for _ in range(2 * THREADS)]
        failed = await asyncio.gather(*failing, return_exceptions=True)
        return [*map(type, failed), await queue.run(Work(int), "7")]

    assert asyncio.run(main()) == [ValueError] * 2 * THREADS + [7]


def together(queue: CallQueue, arguments: Sequence[Any], kinds: Sequence[str]) -> tuple[list[Any], list[list[Any]]]:
    """Let calls wait, then make them; return their results, and the arguments of each job."""
    go, jobs = threading.Event(), []

    def make(values: Sequence[Any]) -> list[int]:
        jobs.append(list(values))
        return [int(value) for value in values]

    work = Work(lambda value: make([value])[0], make)

    async def main() -> list[Any]:
        tasks = await blocked(queue, go)
        waiting = [
            asyncio.create_task(queue.run(work, argument, kind=kind))
            for argument, kind in zip(arguments, kinds, strict=True)
        ]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*tasks)
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(main()), jobs


def test_waiting_calls_of_one_kind_are_made_together(queue: CallQueue) -> None:
    """Calls of one kind become one job, and each gets its own result."""
    results, jobs = together(queue, range(8), "abababab")

    assert results == list(range(8))
    assert sorted(jobs) == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_calls_gather_while_one_of_their_kind_runs(queue: CallQueue) -> None:
    """They become one job when it has ended. Meanwhile the other thread makes a call of another kind."""
    begun, go, jobs = threading.Event(), threading.Event(), []

    def make(names: Sequence[str]) -> Sequence[str]:
        jobs.append(list(names))
        begun.set()
        assert names[0] != "a" or go.wait(20)
        return names

    work = Work(lambda name: make([name])[0], make)

    async def main() -> list[str]:
        first = asyncio.create_task(queue.run(work, "a", kind="k"))
        assert await asyncio.to_thread(begun.wait, 20)
        rest = [asyncio.create_task(queue.run(work, name, kind=kind)) for name, kind in ("bk", "ck", "xl")]
        await rest[2]
        go.set()
        return await asyncio.gather(first, *rest)

    assert asyncio.run(main()) == ["a", "b", "c", "x"]
    assert jobs == [["a"], ["x"], ["b", "c"]]


def test_a_job_has_a_largest_size() -> None:
    """No more than MAX_TOGETHER calls are made as one job."""
    queue = CallQueue("test", threads=THREADS, max_waiting=100)
    results, jobs = together(queue, range(MAX_TOGETHER + 3), "a" * (MAX_TOGETHER + 3))
    queue.close()

    assert results == list(range(MAX_TOGETHER + 3))
    assert sorted(map(len, jobs)) == [3, MAX_TOGETHER]


def test_one_failing_call_does_not_fail_its_neighbours(queue: CallQueue) -> None:
    """If calls fail together, each is made alone, and only the guilty one fails."""
    results, _ = together(queue, ["1", "two", "3"], "aaa")

    assert [type(result) for result in results] == [int, ValueError, int]
    assert (results[0], results[2]) == (1, 3)


def test_crowded_means_as_many_wait_as_work(calls: Calls) -> None:
    """A queue is crowded, and precomputed slates are served, when as many calls wait as there are threads."""

    async def main() -> tuple[bool, bool]:
        await calls.come(2 * THREADS - 1)
        before = calls.queue.is_crowded
        await calls.come(1)
        after = calls.queue.is_crowded
        await calls.end()
        return before, after

    assert asyncio.run(main()) == (False, True)
