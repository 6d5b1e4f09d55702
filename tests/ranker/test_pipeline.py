import numpy as np
import pytest

from ranker.bundle.bundle import Bundle
from ranker.explore import Exploration
from ranker.features import SCHEMA, compute_matrix
from ranker.pipeline import RankedList, ScoredBy, rank, rank_new_user
from ranker.profile.profile import build_profile
from ranker.reasons.explain import FRESH_SECONDS, RankReasonKind
from ranker.spaces.spaces import plain_matrix
from testing.ranker import NOW, assert_close, assert_lists_agree, columns, pending, spaces

PAPERS = pending(columns(77), [5, 20])
CANDIDATES = spaces().matrix(PAPERS)
LIKES = spaces().matrix(columns(30, seed=1, prefix="l"))
PROFILE = build_profile(LIKES)


def ids(ranked: RankedList) -> list[str]:
    """The ids of the papers in order."""
    return [PAPERS.paper_ids[row] for row in ranked.rows]


def test_all_candidates_best_first(small_bundle: Bundle) -> None:
    """Without a limit every candidate appears once, by falling score, with its own features."""
    ranked = rank(small_bundle, PROFILE, CANDIDATES, NOW)
    assert sorted(ranked.rows.tolist()) == list(range(77))
    assert (np.diff(ranked.scores) <= 0).all()
    features = compute_matrix(PROFILE, CANDIDATES, NOW)[ranked.rows]
    assert_close(ranked.features, features)
    assert ranked.scored_by is ScoredBy.BUNDLE
    assert len(ranked.reasons) == 77
    assert any(ranked.reasons)


def test_excluded_papers_are_gone(small_bundle: Bundle) -> None:
    """Excluded papers do not appear, and the others keep their order and scores."""
    whole = rank(small_bundle, PROFILE, CANDIDATES, NOW)
    exclude = frozenset(ids(whole)[:3]) | {"never-heard-of"}
    ranked = rank(small_bundle, PROFILE, CANDIDATES, NOW, exclude=exclude)
    assert ids(ranked) == ids(whole)[3:]
    assert_close(ranked.scores, whole.scores[3:])


@pytest.mark.parametrize("diversity", [0.0, 0.3, 1.0])
def test_limit_is_a_prefix(small_bundle: Bundle, diversity: float) -> None:
    """A shorter slate is the beginning of a longer one, with the same reasons."""
    whole = rank(small_bundle, PROFILE, CANDIDATES, NOW, diversity=diversity)
    short = rank(small_bundle, PROFILE, CANDIDATES, NOW, diversity=diversity, limit=20)
    assert ids(short) == ids(whole)[:20]
    assert_lists_agree(short, whole.first(20))


@pytest.mark.parametrize("places", [1, 2, 3, 5, 10, 20, 50])
@pytest.mark.parametrize("exploration", [None, *(Exploration(1.0, bytes([seed]) * 32) for seed in range(0, 256, 51))])
def test_only_a_page_is_shown(small_bundle: Bundle, places: int, exploration: Exploration | None) -> None:
    """If only the first places are shown, they are those of the whole slate, with the same reasons."""
    whole = rank(small_bundle, PROFILE, CANDIDATES, NOW, diversity=0.1, exploration=exploration)
    part = rank(small_bundle, PROFILE, CANDIDATES, NOW, diversity=0.1, exploration=exploration, shown=places)
    assert sorted(ids(part)) == sorted(ids(whole))
    assert part.reasons[places:] == ((),) * (77 - places)
    first, expected = part.first(places), whole.first(places)
    assert np.array_equal(first.rows, expected.rows)
    assert_lists_agree(first, expected)
    assert_close(first.action_propensities, expected.action_propensities)
    assert part.first(None) is part


def test_ties_go_by_id(small_bundle: Bundle) -> None:
    """Papers with equal features are ordered by id, not by their order in the digest."""
    twins = CANDIDATES.columns.take([0, 1])
    one = spaces().matrix(twins)
    same = {**vars(twins), "embeddings": twins.embeddings[[0, 0]], "texts": twins.texts[:1] * 2}
    for name in ("published_at", "first_seen_at", "upvotes"):
        same[name] = same[name][[0, 0]]
    for paper_ids in (("b", "a"), ("a", "b")):
        matrix = spaces().matrix(type(twins)(**{**same, "paper_ids": paper_ids}))
        ranked = rank(small_bundle, PROFILE, matrix, NOW)
        assert ranked.scores[0] == ranked.scores[1]
        assert [paper_ids[row] for row in ranked.rows] == ["a", "b"]
    assert len(one) == 2


def test_pending_candidates_rank_by_the_rest(small_bundle: Bundle) -> None:
    """Candidates without vectors get a score from their words and dates, and are in the list."""
    bare = spaces().matrix(pending(columns(77), list(range(0, 77, 2))))
    ranked = rank(small_bundle, PROFILE, bare, NOW)
    assert sorted(ranked.rows.tolist()) == list(range(77))
    assert np.isfinite(ranked.scores).all()
    assert len(np.unique(ranked.scores[ranked.rows % 2 == 0])) > 10


def test_without_a_bundle() -> None:
    """Without a bundle papers rank by cosine, pending ones last, and similarity is the only reason."""
    profile = build_profile(plain_matrix(LIKES.columns))
    ranked = rank(None, profile, plain_matrix(PAPERS), NOW)
    assert ranked.scored_by is ScoredBy.COSINE
    assert sorted(ranked.rows[-2:].tolist()) == [5, 20]
    assert ranked.features.shape == (77, 0)
    assert {r.kind for reasons in ranked.reasons for r in reasons} == {
        RankReasonKind.SIMILAR_TO_LIKED,
        RankReasonKind.TOPIC,
    }


def test_no_explanations(small_bundle: Bundle) -> None:
    """Without explanations there are no reasons, and the order is the same."""
    silent = rank(small_bundle, PROFILE, CANDIDATES, NOW, explain=False)
    assert not any(silent.reasons)
    assert ids(silent) == ids(rank(small_bundle, PROFILE, CANDIDATES, NOW))


def test_empty_digest(small_bundle: Bundle) -> None:
    """A digest without candidates, or whose candidates are all excluded, gives an empty list."""
    empty = rank(small_bundle, PROFILE, CANDIDATES.take([]), NOW, diversity=0.5)
    assert len(empty.rows) == len(empty.scores) == len(empty.reasons) == 0
    assert empty.features.shape == (0, len(SCHEMA))
    left = rank(small_bundle, PROFILE, CANDIDATES, NOW, exclude=frozenset(PAPERS.paper_ids))
    assert len(left.rows) == 0


def test_nothing_known_at_all(small_bundle: Bundle) -> None:
    """Without vectors, dates and likes the list still holds every paper once."""
    bare = spaces().matrix(pending(columns(9), list(range(9))))
    ranked = rank(small_bundle, build_profile(LIKES.take([])), bare, NOW, diversity=0.5)
    assert sorted(ranked.rows.tolist()) == list(range(9))
    assert np.isfinite(ranked.scores).all()


def test_new_user() -> None:
    """A new user gets followed papers first, TRENDING or else FRESH where it holds, and no excluded paper."""
    followed = np.zeros(77, dtype=np.bool_)
    followed[[40, 41]] = True
    ranked = rank_new_user(CANDIDATES, NOW, followed=followed, exclude=frozenset({"p0"}), limit=10)
    assert set(ranked.rows[:2].tolist()) == {40, 41}
    assert len(ranked.rows) == 10
    assert 0 not in ranked.rows
    assert (np.diff(ranked.scores) < 0).all()
    for row, why in zip(ranked.rows, ranked.reasons, strict=True):
        trending = PAPERS.upvotes[row] >= 2 * np.nanquantile(PAPERS.upvotes, 0.5, method="lower")
        fresh = 0 <= NOW - PAPERS.published_at[row] <= FRESH_SECONDS
        expected = [RankReasonKind.TRENDING] if trending else [RankReasonKind.FRESH] if fresh else []
        assert [reason.kind for reason in why] == expected
