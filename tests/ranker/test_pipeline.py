from dataclasses import replace

import numpy as np
import pytest

from ranker.bundle.bundle import Bundle
from ranker.explore import Exploration
from ranker.features import SCHEMA, Inputs, compute_matrix, paper_similarities, similarities_of
from ranker.pipeline import RankedList, ScoredBy, model_rows, rank, rank_new_user
from ranker.profile.profile import build_profile
from ranker.reasons.explain import RankReasonKind
from ranker.spaces.spaces import plain_matrix
from ranker.user_context import UserContext
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
    assert short.reasons == whole.reasons[:20]


def test_rows_of_many_users_are_those_of_each(small_bundle: Bundle) -> None:
    """One call of the model for many users gives each user the list of a call for that user alone."""
    liked = [LIKES, *(spaces().matrix(columns(count, seed=count, prefix="o")) for count in (1, 3, 60, 30))]
    user_contexts = [UserContext(user=number) for number in range(5)]
    users = [
        Inputs(build_profile(likes), CANDIDATES, NOW, user_context)
        for likes, user_context in zip(liked, user_contexts, strict=True)
    ]
    for likes, user_context, known in zip(liked, user_contexts, model_rows(small_bundle, users), strict=True):
        profile = build_profile(likes)
        alone = rank(small_bundle, profile, CANDIDATES, NOW, user_context=user_context)
        together = rank(small_bundle, profile, CANDIDATES, NOW, user_context=user_context, rows_known=known)
        assert_lists_agree(together, alone)
    assert model_rows(small_bundle, []) == []


@pytest.mark.parametrize("wordless", [(), (3,)])
def test_known_similarities_change_nothing(small_bundle: Bundle, wordless: tuple[int, ...]) -> None:
    """Similarities kept for a whole catalogue give the same list as those computed for the likes of one user."""
    texts = columns(60, seed=3, prefix="k")
    texts = replace(texts, texts=tuple("" if row in wordless else text for row, text in enumerate(texts.texts)))
    catalogue = spaces().matrix(pending(texts, [7, 20]))
    known = paper_similarities(catalogue, CANDIDATES)
    for rows in ([30, 2, 59, 11, 24, 25, 40, 1, 9], [3], [7], [7, 20], [20, 3, 8], [0, 7, 1], []):
        profile = build_profile(catalogue.take(rows))
        inputs = Inputs(
            profile, CANDIDATES, NOW, similarities=similarities_of(known, profile, np.array(rows, dtype=np.intp))
        )
        together = rank(small_bundle, profile, CANDIDATES, NOW, rows_known=model_rows(small_bundle, [inputs])[0])
        assert_lists_agree(together, rank(small_bundle, profile, CANDIDATES, NOW))


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
    """A new user gets followed papers first, reasons only for papers with upvotes, and no excluded paper."""
    followed = np.zeros(77, dtype=np.bool_)
    followed[[40, 41]] = True
    ranked = rank_new_user(CANDIDATES, NOW, followed=followed, exclude=frozenset({"p0"}), limit=10)
    assert set(ranked.rows[:2].tolist()) == {40, 41}
    assert len(ranked.rows) == 10
    assert 0 not in ranked.rows
    assert (np.diff(ranked.scores) < 0).all()
    for row, why in zip(ranked.rows, ranked.reasons, strict=True):
        assert bool(why) == (PAPERS.upvotes[row] > 0)
