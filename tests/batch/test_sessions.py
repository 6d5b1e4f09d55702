"""Sessions that a worker keeps for its jobs."""

import gc
import threading
from dataclasses import dataclass

from batch.sessions import Sessions


@dataclass(frozen=True)
class Given:
    """The shared data of a job."""

    name: str


class Door:
    """A session that knows whether it is closed."""

    opened = 0

    def __init__(self, given: Given) -> None:
        Door.opened += 1
        self.given = given
        self.is_closed = False

    def close(self) -> None:
        """See ``Session``."""
        self.is_closed = True


def test_each_job_has_its_own() -> None:
    """Jobs that take turns keep their own sessions, even if their data is equal; none closes another's."""
    sessions = Sessions(Door)
    jobs = [Given("a"), Given("b"), Given("a")]

    found = [[sessions.of(job) for job in jobs] for _ in range(2)]

    assert found[0] == found[1]
    assert len(set(found[0])) == len(sessions) == 3
    assert [door.given for door in found[0]] == jobs
    assert not any(door.is_closed for door in found[0])


def test_a_session_ends_with_its_job() -> None:
    """The end of a job closes only its own session."""
    sessions = Sessions(Door)
    jobs = [Given("a"), Given("b")]
    ended, other = [sessions.of(job) for job in jobs]

    jobs.pop(0)
    gc.collect()

    assert (ended.is_closed, other.is_closed, len(sessions)) == (True, False, 1)
    assert sessions.of(jobs[0]) is other


def test_opened_once() -> None:
    """Threads that ask at the same time get the same session, opened once."""
    sessions, job, found = Sessions(Door), Given("a"), list[Door]()
    before = Door.opened
    threads = [threading.Thread(target=lambda: found.append(sessions.of(job))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(found), len(set(found)), Door.opened - before) == (8, 1, 1)
