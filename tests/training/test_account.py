from training.account import Timed


def test_timed_passes_calls_on() -> None:
    """The wrapped callback gets the same calls, and each stage has its seconds."""
    heard: list[tuple[str, int, int]] = []
    timed = Timed(lambda *step: heard.append(step))

    timed("spaces", 0, 1)
    timed("trees", 1, 2)

    assert heard == [("spaces", 0, 1), ("trees", 1, 2)]
    assert list(timed.seconds()) == ["spaces", "trees"]
    assert min(timed.seconds().values()) >= 0
