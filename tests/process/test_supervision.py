"""When a worker that ended is started again."""

from service.process.supervision import Failures, RestartPolicy

POLICY = RestartPolicy()


def test_each_early_end_doubles_the_pause() -> None:
    """The pause is half a second after the first early end and doubles with each further one, until there are 5."""
    failures = Failures(POLICY)

    waits = [(failures.add(1.0), failures.are_too_many) for _ in range(5)]

    assert waits == [(0.5, False), (1.0, False), (2.0, False), (4.0, False), (8.0, True)]


def test_a_steady_worker_starts_again_at_once() -> None:
    """A worker that served for 30 seconds waits for nothing, and its next early end counts as the first."""
    failures = Failures(POLICY)
    for _ in range(4):
        failures.add(1.0)

    waits = [failures.add(30.0), failures.add(29.0)]

    assert waits == [0.0, 0.5]
    assert not failures.are_too_many
