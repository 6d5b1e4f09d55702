import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ranker.fallback import cosine_scores, trending_scores
from ranker.papers import paper_columns
from ranker.profile.profile import build_profile
from ranker.spaces.spaces import PaperMatrix, plain_matrix
from testing.ranker import DAY, NOW, columns, pending

NAN = float("nan")


def digest(upvotes: list[float], ages: list[float]) -> PaperMatrix:
    """Papers without vectors; ages in days."""
    count = len(upvotes)
    return plain_matrix(
        paper_columns(
            [f"p{i}" for i in range(count)],
            [f"Paper {i}" for i in range(count)],
            np.full((count, 2), np.nan, np.float32),
            upvotes=np.array(upvotes, dtype=np.float64),
            published_at=NOW - DAY * np.array(ages, dtype=np.float64),
        )
    )


def order(upvotes: list[float], ages: list[float], followed: list[bool] | None = None) -> list[int]:
    """The numbers of the papers in their order."""
    flags = None if followed is None else np.array(followed)
    return np.argsort(-trending_scores(digest(upvotes, ages), NOW, flags)).tolist()


def test_cosine_is_the_mean_of_ten() -> None:
    """The cosine score is the mean cosine to the ten nearest likes; pending candidates get -1."""
    candidates, likes = plain_matrix(pending(columns(20), [3])), plain_matrix(columns(15, seed=1, prefix="l"))
    scores = cosine_scores(build_profile(likes), candidates)
    cosines = -np.sort(-(candidates.units @ likes.units.T), axis=1)
    known = np.flatnonzero(candidates.has_vector)
    assert np.allclose(scores[known], cosines[known, :10].mean(axis=1), atol=1e-6)
    assert scores[3] == -1


def test_cosine_without_vectors() -> None:
    """If no like has a vector, all candidates get score 0."""
    candidates = plain_matrix(columns(4))
    assert cosine_scores(build_profile(candidates.take([])), candidates).tolist() == [0.0] * 4


def test_followed_then_hot_then_new_then_first() -> None:
    """Trending scores order by followed, upvotes discounted by age, date and place in the digest."""
    assert order([1, 90, 5], [1, 1, 1], [True, False, False]) == [0, 1, 2]
    assert order([10, 12], [0, 30]) == [0, 1]
    assert order([0, 0, NAN], [9, 2, 5]) == [1, 2, 0]
    assert order([NAN, NAN], [NAN, 3]) == [1, 0]
    assert order([NAN, NAN, NAN], [NAN, NAN, NAN]) == [0, 1, 2]


MAYBE = st.one_of(st.just(NAN), st.floats(-40, 4000))


@given(st.lists(st.tuples(MAYBE, MAYBE), max_size=60))
def test_strict_order(papers: list[tuple[float, float]]) -> None:
    """Trending scores are finite and distinct, whatever is known of the papers."""
    scores = trending_scores(digest([abs(u) for u, _ in papers], [a for _, a in papers]), NOW)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) == len(papers)
