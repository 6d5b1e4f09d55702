from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranker.bundle.spaces_file import read_spaces, spaces_bytes
from ranker.papers import paper_columns
from ranker.spaces.factors import FactorMap
from ranker.spaces.linear import unit_rows
from ranker.spaces.spaces import Spaces
from testing.training import DIM
from training.data.snapshot import Dataset, Likes
from training.recipes import FactorSettings
from training.spaces.space_fitting import LikedPapers, fit_spaces

SETTINGS = FactorSettings(factor_count=8, steps=150, batch_users=32, pool_size=100)
FIELDS = 4


def papers_and_users(seed: int) -> tuple[Spaces, LikedPapers]:
    """Return papers and users of four fields; one word and one direction among many random ones show the field.

    All vectors have a part in common, as those of an encoder have.
    """
    rng = np.random.default_rng(seed)
    field = np.arange(200) % FIELDS
    vectors = rng.standard_normal((200, DIM)).astype(np.float32)
    vectors[:, 0] = 1.5 * (field % 2) - 0.75
    vectors[:, 1] += 4
    titles = [" ".join([f"mark{f // 2}", *(f"noise{n}" for n in rng.integers(0, 60, 6))]) for f in field]
    papers = paper_columns([f"p{i}" for i in range(200)], titles, vectors)
    own = [rng.choice(np.flatnonzero(field == user % FIELDS), 12, replace=False) for user in range(80)]
    likes = Likes.of(np.repeat(np.arange(80), 12).tolist(), np.concatenate(own).tolist(), [np.nan] * 960)
    spaces = fit_spaces([Dataset("d", papers, likes)])
    return spaces, LikedPapers(spaces.matrix(papers), likes)


def fit(spaces: Spaces, part: LikedPapers, settings: FactorSettings, seed: int) -> FactorMap | None:
    """Fit the map; torch is imported only in a test that runs."""
    from training.spaces.factor_fitting import fit_factors

    return fit_factors(spaces, [part], settings, seed=seed, thread_count=1)


def same_field_gap(vectors: np.ndarray) -> float:
    """Return the mean cosine within fields minus that across fields."""
    field = np.arange(len(vectors)) % FIELDS
    same = field[:, None] == field[None, :]
    cosines = vectors @ vectors.T
    return float(cosines[same & ~np.eye(len(vectors), dtype=bool)].mean() - cosines[~same].mean())


@pytest.mark.slow
def test_papers_liked_together_lie_together() -> None:
    """On papers without likes, the map separates fields by the word and the direction that show them."""
    learned = fit(*papers_and_users(0), SETTINGS, seed=1)
    assert learned is not None
    fresh = papers_and_users(7)[1].papers
    assert fresh.whitened is not None
    assert fresh.tfidf is not None
    assert same_field_gap(learned.factors(fresh.units, fresh.tfidf)) > 3 * same_field_gap(fresh.whitened)


def test_equal_runs_give_equal_bits() -> None:
    """Two equal runs give the same map; another seed gives another map."""
    runs = [fit(*papers_and_users(0), SETTINGS, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (None if run is None else run.term_map.tobytes() for run in runs)
    assert first == again != other


def test_nobody_likes_two_papers() -> None:
    """If nobody likes two papers, there is no map."""
    spaces, lonely = papers_and_users(0)
    likes = Likes.of([0, 1], [0, 1], [np.nan, np.nan])
    assert fit(spaces, LikedPapers(lonely.papers, likes), SETTINGS, seed=0) is None


def test_the_map_begins_as_a_whitening() -> None:
    """Before the first step, factors are those of whitened vectors by random weights, so all directions are learned."""
    import torch

    spaces, part = papers_and_users(0)
    learned = fit(spaces, part, replace(SETTINGS, steps=0), seed=1)
    assert learned is not None
    assert part.papers.tfidf is not None
    torch.manual_seed(1)
    weights = (torch.randn((DIM, SETTINGS.factor_count)) * DIM**-0.5).numpy()
    centred = part.papers.units - spaces.statistics.vector_mean
    mapped = unit_rows(centred @ spaces.whitening_matrix @ weights)

    wordless = part.papers.tfidf.select(np.empty(0, dtype=np.int32))
    vectors_alone = replace(learned, buckets=wordless.columns, term_map=learned.term_map[:0])
    cosines = np.einsum("ij,ij->i", vectors_alone.factors(part.papers.units, wordless), mapped)
    assert cosines.min() > 0.999


def test_a_bundle_keeps_what_training_used() -> None:
    """The map is in float16 precision already, so that the file loses nothing."""
    spaces, part = papers_and_users(0)
    learned = fit(spaces, part, SETTINGS, seed=1)
    assert learned is not None
    read = read_spaces(Path("spaces.npz"), spaces_bytes(replace(spaces, factor_map=learned)), DIM)
    assert read.factor_map is not None
    for name, array in vars(learned).items():
        assert np.array_equal(array, getattr(read.factor_map, name)), name
    assert read.prior.to_bytes() == spaces.prior.to_bytes()


@pytest.mark.slow
def test_the_descent_is_that_of_torch() -> None:
    """Each step changes the parameters as torch.optim.AdamW does, to the last bit."""
    import torch

    from training.spaces.factor_fitting import _Descent

    torch.manual_seed(0)
    mine = torch.randn(6, 4)
    theirs = torch.nn.Parameter(mine.clone())
    descent, optimizer = _Descent(mine, weight_decay=0.01), torch.optim.AdamW([theirs], weight_decay=0.01)
    for learning_rate in (0.1, 0.1, 0.05, 0.01):
        theirs.grad = torch.randn(6, 4)
        optimizer.param_groups[0]["lr"] = learning_rate
        optimizer.step()
        descent.step(theirs.grad, learning_rate)
        assert torch.equal(mine, theirs.detach())
