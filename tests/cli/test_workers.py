"""When a server process that died is started again."""

from service.process.supervisor import MAX_DEATHS, STEADY_SECONDS, Deaths


def test_each_young_death_doubles_the_wait() -> None:
    """Half a second after the first, twice as long after each further one, until there are too many."""
    deaths = Deaths()

    waits = [(deaths.add(1.0), deaths.are_too_many) for _ in range(MAX_DEATHS)]

    assert waits == [(0.5, False), (1.0, False), (2.0, False), (4.0, False), (8.0, True)]


def test_who_served_is_started_at_once() -> None:
    """One that served for long waits for nothing, and its next young death counts as the first."""
    deaths = Deaths()
    for _ in range(MAX_DEATHS - 1):
        deaths.add(1.0)

    waits = [deaths.add(STEADY_SECONDS), deaths.add(STEADY_SECONDS - 1)]

    assert waits == [0.0, 0.5]
    assert not deaths.are_too_many
