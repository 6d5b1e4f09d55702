"""Bundles are swapped in while the server answers calls."""

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import GetFeedRequest, GetSlateRequest, StreamFeedsRequest
from paperfeed.v1.model_pb2 import PromoteModelRequest, RollbackModelRequest
from service.app.models import warming
from testing.calls import record, wait_until
from testing.models import present, promote, register, version_of
from testing.servers import Service
from tests.rpc.feed_calls import get_feed, shown
from tests.rpc.models.conftest import USERS


def test_slates_and_tokens_outlive_a_swap(
    registered: Service, rivals: list[Path], place: Path, tiny_bundle: Path
) -> None:
    """Later pages of an old slate are those of its bundle; a new feed names the new bundle, and so does a rollback."""
    client, old = registered.client, version_of(tiny_bundle)
    new = register(client, place, rivals[0]).model_version
    request = GetFeedRequest(user_id="user-1", page_size=4)
    first = client.feeds.GetFeed(request)
    stream = client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=USERS))
    begun = [next(stream).slate]

    promote(client, new)
    request.page_token = first.next_page_token
    second = client.feeds.GetFeed(request)
    begun += [answer.slate for answer in stream]
    after = get_feed(client, "user-1")

    assert second.slate.slate_id == first.slate.slate_id
    assert (first.slate.model_version, second.slate.model_version, after.model_version) == (old, old, new)
    assert len(shown(first.slate) + shown(second.slate)) == 8
    # A stream keeps the bundle that it began with.
    assert {slate.model_version for slate in begun} == {old}
    stored = client.feeds.GetSlate(GetSlateRequest(slate_id=first.slate.slate_id, page_size=100)).slate
    assert shown(stored)[:8] == shown(first.slate) + shown(second.slate)
    client.models.RollbackModel(RollbackModelRequest(from_model_version=new))
    wait_until(lambda: present(client)[0] == old)
    assert get_feed(client, "user-1").model_version == old


def test_the_new_bundle_is_warm_and_the_old_one_is_gone(
    registered: Service, rivals: list[Path], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recent users and the newest digest are in the caches before the swap; afterwards nothing holds the old bundle."""
    monkeypatch.setattr(warming, "WARM_SECONDS", 60.0)
    client, application = registered.client, registered.application
    for user in USERS:
        get_feed(client, user)
    old = weakref.ref(application.serving.current.bundle)
    spaces, loaded = (weakref.ref(part) for part in (old().spaces, application.serving.current.loaded))  # type: ignore[union-attr]
    new = register(client, place, rivals[0]).model_version
    promote(client, new)

    users = application.feeds.users._kept.of(application.serving.current.loaded)
    assert set(users._entries) == set(USERS)
    digests = application.feeds.candidates._digests.of(application.serving.current.loaded)
    assert set(digests._entries) == {("d1",)}

    def is_gone() -> bool:
        gc.collect()
        return (old(), spaces(), loaded()) == (None, None, None)

    wait_until(is_gone)
    assert {get_feed(client, user).model_version for user in USERS} == {new}


def test_a_bundle_taken_back_while_it_is_warmed_never_serves(
    registered: Service, rivals: list[Path], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback during the warming of a bundle stops it: no feed comes from that bundle."""
    client, application = registered.client, registered.application
    old, new = present(client)[0], register(client, place, rivals[0]).model_version
    get_feed(client, USERS[0])
    begun, taken_back = threading.Event(), threading.Event()
    warm = warming.Warmer.warm

    def warm_slowly(self: warming.Warmer, *arguments: Any, **options: Any) -> int:
        begun.set()
        assert taken_back.wait(60)
        return warm(self, *arguments, **options)

    monkeypatch.setattr(warming.Warmer, "warm", warm_slowly)
    client.models.PromoteModel(PromoteModelRequest(model_version=new, force=True))
    assert begun.wait(60)
    client.models.RollbackModel(RollbackModelRequest(from_model_version=new))
    taken_back.set()
    # A later canary is loaded by the same thread, so the promotion has been handled by then.
    client.models.PromoteModel(PromoteModelRequest(model_version=new, canary_share=0.5, force=True))
    wait_until(lambda: present(client)[1] == new)

    assert present(client)[0] == old
    assert application.rollout.swap_count == 1


def test_other_servers_follow(
    start: Callable[..., Service], registered: Service, rivals: list[Path], place: Path, tiny_bundle: Path
) -> None:
    """Another server of the same database swaps too, and a message wakes it at once."""
    other = start(bundle=str(tiny_bundle), registry=str(place))
    first, second = (register(registered.client, place, rival).model_version for rival in rivals)

    promote(registered.client, first)
    other.application.hear("models-changed")
    wait_until(lambda: present(other.client)[0] == first)
    registered.client.models.PromoteModel(PromoteModelRequest(model_version=second, force=True))
    wait_until(lambda: present(other.client)[0] == second)

    assert get_feed(other.client, "user-1").model_version == second


@pytest.mark.slow
def test_twenty_swaps_under_load(registered: Service, rivals: list[Path], place: Path) -> None:
    """While 16 clients read feeds and like papers, twenty swaps fail no call, and no old bundle stays in memory."""
    client, application = registered.client, registered.application
    versions = [register(client, place, rival).model_version for rival in rivals]
    stop, failures, seen, old = threading.Event(), list[str](), set[str](), list[weakref.ref[object]]()

    def read(number: int) -> None:
        user = USERS[number % len(USERS)]
        with Client(registered.target, retries=False) as own:
            while not stop.is_set():
                try:
                    page = own.feeds.GetFeed(GetFeedRequest(user_id=user, page_size=4, explain=True))
                    seen.add(page.slate.model_version)
                    more = GetFeedRequest(user_id=user, page_size=4, explain=True, page_token=page.next_page_token)
                    if own.feeds.GetFeed(more).slate.model_version != page.slate.model_version:
                        failures.append("pages of one slate differ")
                    if number == 0:
                        record(own, f"new-{len(seen)}", "like", page.slate.items[0].paper.paper_id)
                except grpc.RpcError as error:
                    failures.append(f"{error.code()}: {error.details()}")

    threads = [threading.Thread(target=read, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for number in range(20):
        old.append(weakref.ref(application.serving.current.bundle))
        promote(client, versions[number % 2])
    stop.set()
    for thread in threads:
        thread.join()

    def all_gone() -> bool:
        gc.collect()
        return not any(reference() for reference in old[:-1] if reference() is not application.serving.current.bundle)

    assert failures == []
    assert set(versions) <= seen
    wait_until(all_gone)
    assert application.rollout.swap_count == 20
