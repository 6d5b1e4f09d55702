"""A server counts the rankings of each bundle that it has loaded."""

from pathlib import Path

from testing.models import promote, register, version_of
from testing.servers import Service
from tests.rpc.feed_calls import get_feed
from tests.rpc.models.conftest import USERS


def test_rankings_are_counted_by_bundle(
    registered: Service, rivals: list[Path], place: Path, tiny_bundle: Path
) -> None:
    """Each feed is counted for the bundle that ranked it; rankings that warm a bundle are not."""
    new = register(registered.client, place, rivals[0]).model_version
    promote(registered.client, new, canary_share=0.5)
    slot = registered.application.serving
    split = slot.canary
    assert split is not None
    before = {version: times.answered for version, times in slot.ranking_times().items()}
    assert before[new] == 0

    for user in USERS:
        get_feed(registered.client, user)

    of_canary = sum(map(split.has, USERS))
    found = slot.ranking_times()
    assert found[new].answered == found[new].buckets()[-1][1] == of_canary
    old = version_of(tiny_bundle)
    assert found[old].answered - before[old] == len(USERS) - of_canary
    assert found[new].failed == found[old].failed == 0
