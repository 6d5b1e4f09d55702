import numpy as np
import pytest

from ranker.papers import paper_columns
from ranker.spaces.factors import FactorMap
from testing.training import DIM
from training.data.snapshot import Dataset, Likes
from training.recipes import FactorSettings
from training.spaces.space_fitting import LikedPapers, fit_spaces, with_factors

SETTINGS = FactorSettings(factor_count=8, steps=150, batch_users=32, pool_size=100)
FIELDS = 4


def papers_and_users(seed: int) -> LikedPapers:
    """Return papers and users of four fields; one word and one direction among many random ones show the field."""
    rng = np.random.default_rng(seed)
    field = np.arange(200) % FIELDS
    vectors = rng.standard_normal((200, DIM)).astype(np.float32)
    vectors[:, 0] = 1.5 * (field % 2) - 0.75
    titles = [" ".join([f"mark{f // 2}", *(f"noise{n}" for n in rng.integers(0, 60, 6))]) for f in field]
    papers = paper_columns([f"p{i}" for i in range(200)], titles, vectors)
    own = [rng.choice(np.flatnonzero(field == user % FIELDS), 12, replace=False) for user in range(80)]
    likes = Likes.of(np.repeat(np.arange(80), 12).tolist(), np.concatenate(own).tolist(), [np.nan] * 960)
    return LikedPapers(fit_spaces([Dataset("d", papers, likes)], 1.0).matrix(papers), likes)


def fitted(part: LikedPapers, seed: int) -> FactorMap | None:
    """Fit the map; torch is imported only in a test that runs."""
    from training.spaces.factor_fitting import fit_factors

    return fit_factors([part], SETTINGS, seed=seed, thread_count=1)


def same_field_gap(vectors: np.ndarray) -> float:
    """Return the mean cosine within fields minus that across fields."""
    field = np.arange(len(vectors)) % FIELDS
    same = field[:, None] == field[None, :]
    cosines = vectors @ vectors.T
    return float(cosines[same & ~np.eye(len(vectors), dtype=bool)].mean() - cosines[~same].mean())


def test_papers_liked_together_lie_together() -> None:
    """On papers without likes, the map separates fields by the word and the direction that show them."""
    learned = fitted(papers_and_users(0), seed=1)
    assert learned is not None
    fresh = papers_and_users(7).papers
    assert fresh.whitened is not None
    assert fresh.tfidf is not None
    assert same_field_gap(learned.factors(fresh.whitened, fresh.tfidf)) > 3 * same_field_gap(fresh.whitened)


def test_equal_runs_give_equal_bits() -> None:
    """Two equal runs give the same map; another seed gives another map."""
    runs = [fitted(papers_and_users(0), seed=seed) for seed in (1, 1, 2)]
    first, again, other = (None if run is None else run.term_map.tobytes() for run in runs)
    assert first == again != other


def test_nobody_likes_two_papers() -> None:
    """If nobody likes two papers, there is no map."""
    lonely = papers_and_users(0)
    likes = Likes.of([0, 1], [0, 1], [np.nan, np.nan])
    assert fitted(LikedPapers(lonely.papers, likes), seed=0) is None


@pytest.mark.parametrize("has_map", [True, False])
def test_a_bundle_keeps_what_training_used(has_map: bool) -> None:
    """Map and background are in float16 precision already, so that the file loses nothing."""
    part = papers_and_users(0)
    learned = fitted(part, seed=1) if has_map else None
    data = Dataset("d", part.papers.columns, part.likes)
    spaces = with_factors(fit_spaces([data], 1.0), [data], learned, 50)
    assert spaces.background is not None
    arrays = [spaces.background.tfidf.values]
    if learned is not None and spaces.background.factors is not None:
        arrays += [learned.vector_map, learned.term_map, spaces.background.factors]
    assert len(spaces.background) == 50
    for array in arrays:
        assert np.array_equal(array, array.astype(np.float16).astype(np.float32))
