"""The background thread that counts the catalog and switches to its statistics."""

import pytest

from ranker.bundle.bundle import Bundle
from service.app.ranking.serving import ServingSlot
from service.app.statistics import StatisticsKeeper
from service.domain.errors import BundleUnusable, StorageUnavailable
from service.resources import SystemClock
from service.storage import SqlStore
from testing.calls import wait_until


def no_bundle(_encoder: str) -> Bundle:
    raise BundleUnusable("none")


class FailingSlot(ServingSlot):
    """Raises each of the errors once, and counts the rounds."""

    def __init__(self, store: SqlStore, errors: list[Exception]) -> None:
        super().__init__(store, "any", no_bundle)
        self.errors = errors
        self.rounds = 0

    def catch_up(self) -> None:
        self.rounds += 1
        if self.errors:
            raise self.errors.pop(0)
        super().catch_up()


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (StorageUnavailable("it is gone"), []),
        (RuntimeError("a bug"), ["counting the catalog failed; it will be tried again"]),
    ],
)
def test_the_thread_outlives_whatever_fails(
    store: SqlStore, caplog: pytest.LogCaptureFixture, error: Exception, logged: list[str]
) -> None:
    """After an outage, which the store logs, or an unexpected error, which is logged, the thread goes on."""
    slot = FailingSlot(store, [error])
    keeper = StatisticsKeeper(store, slot, SystemClock(), counts=True, poll_seconds=0.02)

    keeper.start()
    wait_until(lambda: slot.rounds > 2)
    keeper.stop()

    assert [record.getMessage() for record in caplog.records if record.name == "paperfeed.statistics"] == logged


def test_waking_starts_a_round(store: SqlStore) -> None:
    """A round begins at the start and when the thread is woken, and not only after the long pause."""
    slot = FailingSlot(store, [])
    keeper = StatisticsKeeper(store, slot, SystemClock(), counts=False, poll_seconds=3600)

    keeper.start()
    wait_until(lambda: slot.rounds == 1)
    keeper.wake()
    wait_until(lambda: slot.rounds == 2)
    keeper.stop()
