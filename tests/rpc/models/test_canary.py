"""A canary ranks for a share of the users, and each user stays where they are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import PaperIds, RankPapersRequest, StreamFeedsRequest
from paperfeed.v1.model_pb2 import RollbackModelRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.app.slates import FeedQuery
from testing.calls import wait_until
from testing.models import present, promote, register, version_of
from testing.servers import Service
from tests.rpc.feed_calls import get_feed, shown
from tests.rpc.models.conftest import USERS


@pytest.fixture
def versions(registered: Service, rivals: list[Path], place: Path, tiny_bundle: Path) -> tuple[str, str]:
    """The serving version, and the version of a canary for half of the users."""
    new = register(registered.client, place, rivals[0]).model_version
    promote(registered.client, new, canary_share=0.5)
    return version_of(tiny_bundle), new


def streamed(client: Client) -> dict[str, str]:
    """Return the model version of each user's feed in one stream."""
    answers = client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=USERS))
    return {answer.slate.user_id: answer.slate.model_version for answer in answers}


def fetched(client: Client) -> dict[str, str]:
    """Return the model version of each user's feed in calls of their own."""
    return {user: get_feed(client, user).model_version for user in USERS}


def test_each_user_has_one_version_on_every_way(
    start: Callable[..., Service],
    registered: Service,
    versions: tuple[str, str],
    place: Path,
    tiny_bundle: Path,
) -> None:
    """GetFeed, feeds made together, streams, RankPapers and other servers rank with the user's version."""
    client, application = registered.client, registered.application
    split = application.serving.canary
    assert split is not None
    expected = {user: versions[split.has(user)] for user in USERS}
    assert set(expected.values()) == set(versions)

    assert fetched(client) == expected
    assert streamed(client) == dict(sorted(expected.items()))
    pages = application.feeds.feeds([FeedQuery(user_id=user) for user in USERS], page_sizes=[5] * len(USERS))
    assert [(page.slate.user_id, page.slate.model_version) for page in pages] == list(expected.items())
    papers = shown(get_feed(client, USERS[0]))
    for user in USERS:
        request = RankPapersRequest(user_id=user, candidate_paper_ids=PaperIds(paper_ids=papers))
        assert client.feeds.RankPapers(request).model_version == expected[user]
    other = start(bundle=str(tiny_bundle), registry=str(place))
    wait_until(lambda: present(other.client)[1] == versions[1])
    assert fetched(other.client) == expected
    status = client.status.GetStatus(GetStatusRequest())
    assert (status.canary_model_version, status.canary_share) == (versions[1], 0.5)


def test_a_greater_share_moves_nobody_back(registered: Service, versions: tuple[str, str]) -> None:
    """After the share has grown, all users of the canary are still in it."""
    client, (_, new) = registered.client, versions
    before = fetched(client)
    promote(client, new, canary_share=0.8)
    wait_until(lambda: client.status.GetStatus(GetStatusRequest()).canary_share == 0.8)

    after = fetched(client)

    assert {user for user in USERS if before[user] == new} < {user for user in USERS if after[user] == new}


def test_the_end_of_a_canary(registered: Service, versions: tuple[str, str]) -> None:
    """A rollback returns all users to the serving bundle; a promotion gives all users the canary's."""
    client, (old, new) = registered.client, versions
    loaded = registered.application.serving.loaded_canary
    client.models.RollbackModel(RollbackModelRequest(from_model_version=new))
    wait_until(lambda: present(client) == (old, ""))
    assert set(fetched(client).values()) == {old}

    promote(client, new, canary_share=0.5)
    again = registered.application.serving.loaded_canary
    assert again is not loaded
    promote(client, new)
    wait_until(lambda: present(client) == (new, ""))

    assert set(fetched(client).values()) == set(streamed(client).values()) == {new}
    # The loaded canary itself serves: its caches are warm.
    assert registered.application.serving.current.loaded is again.plain.loaded
