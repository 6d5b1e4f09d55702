"""Cached prepared users, and their cached papers, equal newly built ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ranker.bundle.bundle import load_bundle
from ranker.profile.profile import MAX_LIKES
from ranker.spaces.spaces import PaperMatrix
from service.app.cache import VersionedCache
from service.app.ports import Store
from service.app.ranking.placing import place_papers
from service.app.ranking.prepared_user import MAX_DISLIKES, PreparedUser, counted_likes
from service.app.ranking.prepared_users import PlacedPapers, PreparedUsers
from service.app.ranking.serving import Serving
from service.domain.events import EventType, Like, Preferences, UserState
from service.domain.papers import Paper, embedding_text
from service.encoder import HashingEncoder
from testing.bundles import model_text, write_tiny_bundle
from testing.ranker import assert_close
from tests.contracts.samples import HOUR, NOW, ON_SQLITE, event, paper, record

ENCODER = HashingEncoder()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """A bundle for the hashing encoder."""
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    write_tiny_bundle(folder, encoder_name=ENCODER.name, model_text=model_text())
    return Serving(ENCODER.name, load_bundle(folder, encoder=ENCODER.name), "", 1)


def upsert(store: Store, papers: Sequence[Paper], *, embedded: bool = True) -> None:
    with store.write() as tx:
        tx.papers.upsert(papers, NOW)
        if embedded:
            vectors = ENCODER.encode([embedding_text(each.title, each.abstract) for each in papers])
            hashed = {each.paper_id: (each.text_hash, row) for each, row in zip(papers, vectors, strict=True)}
            tx.papers.store_vectors(ENCODER.name, hashed)


def profile_of_ada(store: Store, serving: Serving, users: PreparedUsers) -> dict[str, Any]:
    """Return the parts of ada's profile that features use, and the titles that reasons name."""
    with store.read() as tx:
        user = users.find(tx, serving, "ada", tx.users.version("ada"))
    profile = user.profile
    assert profile is not None
    assert profile.liked_tfidf is not None
    arrays = (
        *(profile.liked_vectors[space] for space in sorted(profile.liked_vectors)),
        *(profile.weights[space] for space in sorted(profile.weights)),
        *(profile.liked_tfidf.values, profile.word_weights, profile.disliked_units),
    )
    return {
        "titles": [each.title for each in user.liked],
        "arrays": arrays,
        "rows": profile.liked_vector_rows.tolist(),
        "categories": profile.liked_categories,
        "times": profile.liked_at.tolist(),
    }


def assert_new(store: Store, serving: Serving, found: dict[str, Any]) -> None:
    """Assert that a profile equals a newly built one. Papers that are placed together may differ in the last bits."""
    expected = profile_of_ada(store, serving, PreparedUsers())
    for array, other in zip(found["arrays"], expected["arrays"], strict=True):
        assert_close(array, other)
    assert {**found, "arrays": ()} == {**expected, "arrays": ()}


def test_follow_every_change(store: Store, serving: Serving) -> None:
    """After any change of events, papers or vectors, the cached user equals a newly built one."""
    papers = [paper(i, abstract=f"Graph networks, part {i}", categories=("cs.LG",)) for i in range(6)]
    upsert(store, papers)
    record(store, *(event(paper_id=f"p{i}", at=NOW - i * HOUR) for i in range(3)))
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: record(store, event(paper_id="p3")),
        lambda: record(store, event(EventType.DISLIKE, "p4")),
        lambda: upsert(store, [replace(papers[0], title="Quite another title of zero")]),
        lambda: upsert(store, [replace(papers[1], abstract="Not embedded yet")], embedded=False),
        lambda: upsert(store, [replace(papers[2], categories=("cs.CV", "cs.LG"))]),
        lambda: upsert(store, [replace(papers[1], abstract="Not embedded yet")]),
    ]
    kept, before = PreparedUsers(), None
    for number, change in enumerate(changes):
        change()
        found = profile_of_ada(store, serving, kept)
        assert_new(store, serving, found)
        now = {**found, "arrays": [array.tobytes() for array in found["arrays"]]}
        assert now != before, number
        before = now
    with store.write() as tx:
        assert tx.papers.delete("p2")
    assert_new(store, serving, profile_of_ada(store, serving, kept))
    assert "Title of paper number 2" not in profile_of_ada(store, serving, kept)["titles"]


@ON_SQLITE
def test_another_choice_of_bundle(store: Store, serving: Serving) -> None:
    """Papers placed in the spaces of one bundle are not used with the next bundle."""
    upsert(store, [paper(0), paper(1)])
    record(store, event())
    users = PreparedUsers()
    with store.read() as tx:
        first = users.find(tx, serving, "ada", 1)
        again = users.find(tx, serving, "ada", 1)
        other = users.find(tx, replace(serving, generation=2), "ada", 1)
        bare = users.find(tx, replace(serving, bundle=None, generation=3), "ada", 1)
    assert again is first
    assert other is not first
    assert bare.profile is not None
    assert set(bare.profile.liked_vectors) == {"plain"}
    assert not bare.profile.weights


def test_the_newest_count(serving: Serving) -> None:
    """If there are more likes and dislikes than count, only the newest are read and placed."""
    likes = [Like(f"p{i}", NOW + i * HOUR) for i in range(MAX_LIKES + 2)]
    dislikes = [Like(f"q{i}", NOW + i * HOUR) for i in range(MAX_DISLIKES + 3)]
    state = UserState("ada", 1, tuple(likes), tuple(dislikes), frozenset(), Preferences(), NOW, NOW)
    papers = {like.paper_id: paper(0, paper_id=like.paper_id) for like in (*likes, *dislikes)}
    placed: list[list[str]] = []

    def place(some: Sequence[Paper]) -> PaperMatrix:
        placed.append([each.paper_id for each in some])
        return place_papers(replace(serving, bundle=None), some, {})

    user = PreparedUser.of(replace(serving, bundle=None), state, papers, place)

    assert [each.paper_id for each in user.liked] == placed[0] == [like.paper_id for like in likes[2:]]
    assert placed[1] == [like.paper_id for like in dislikes[3:]]
    assert [len(part) for part in counted_likes(state)] == [MAX_LIKES, MAX_DISLIKES]


@ON_SQLITE
def test_papers_are_placed_once_and_bounded(store: Store, serving: Serving) -> None:
    """A cached paper is the same object; the least recently used one is dropped first."""
    upsert(store, [paper(i) for i in range(4)])
    placed = PlacedPapers(limit=3)
    with store.read() as tx:
        first = placed.find(tx, serving, ["p0", "p1", "p2"])
        placed.find(tx, serving, ["p0"])
        placed.find(tx, serving, ["p3", "gone"])
        found = placed.find(tx, serving, ["p0", "p1", "p2"])
    assert found["p0"] is first["p0"]
    assert found["p1"] is not first["p1"]
    assert sorted(found) == ["p0", "p1", "p2"]


def test_cache_is_bounded_by_bytes() -> None:
    """Over the size limit the least recently used values are dropped; the newest one stays, however large."""
    cache: VersionedCache[str, bytes] = VersionedCache(10, len)
    built: list[str] = []

    def get(key: str, size: int, version: int = 1) -> None:
        if cache.find(key, version) is None:
            built.append(key)
            cache.put(key, version, bytes(size))

    for key, size in (("a", 4), ("b", 4), ("a", 4), ("c", 4), ("a", 4), ("b", 4)):
        get(key, size)
    assert built == ["a", "b", "c", "b"]
    get("b", 8, version=2)
    get("a", 2)
    get("huge", 100)
    get("huge", 100)
    get("b", 8, version=2)
    assert built[4:] == ["b", "a", "huge", "b"]


def test_cache_is_bounded_by_number_too() -> None:
    """Over the maximum number the least recently used values are dropped, however small they are."""
    cache: VersionedCache[int, bytes] = VersionedCache(1_000, len, most=2)
    built: list[int] = []
    for key in (1, 2, 1, 3, 1, 2):
        if cache.find(key, 1) is None:
            built.append(key)
            cache.put(key, 1, b"x")
    assert built == [1, 2, 3, 2]
