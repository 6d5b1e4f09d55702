import math
from dataclasses import replace

import numpy as np
import pytest

from tests.training.evaluation.builders import cold_round, dated, week_round
from training.data.snapshot import Likes
from training.evaluation import baselines
from training.evaluation.baselines import draw_negatives, nearest_mean, ranks, recency_weights


def test_weights_by_hand() -> None:
    """Weights are 1 / (1 + log10(rank)), newest first; unknown times are oldest, and without times all are equal."""
    raw = np.array([1.0, 1 / (1 + math.log10(2)), 1 / (1 + math.log10(3))])
    assert recency_weights(np.array([np.nan, 9.0, 5.0])) == pytest.approx(raw[[2, 0, 1]] / raw.sum())
    assert recency_weights(np.full(4, np.nan)).tolist() == [0.25] * 4


def test_cosines() -> None:
    """Mean and maximum of the cosines agree with direct computation."""
    view, this = cold_round()
    query = this.queries[0]
    cosines = view.units[this.candidates] @ view.units[query.liked].T
    assert baselines.mean_cosine(view, this)(query) == pytest.approx(cosines.mean(axis=1), abs=1e-6)
    assert (baselines.nearest_like(view, this)(query) == cosines.max(axis=1)).all()


def test_nearest_mean() -> None:
    """The ten nearest likes count, or all where there are fewer."""
    cosines = np.random.default_rng(0).permuted(np.tile(np.arange(12, dtype=np.float32), (3, 1)), axis=1)
    assert nearest_mean(cosines).tolist() == [6.5] * 3
    assert nearest_mean(cosines[:, :4]) == pytest.approx(cosines[:, :4].mean(axis=1))


def test_recency() -> None:
    """Recency ranks the newest first; without dates it returns the reason."""
    view, this = week_round(dated())
    score = baselines.recency(view, this)
    assert not isinstance(score, str)
    assert (score(this.queries[0]) == dated().papers.published_at[this.candidates]).all()
    assert baselines.recency(*cold_round()) == "no candidate has a date"


def test_popularity() -> None:
    """Popularity counts visible likes; if candidates have none, it returns the reason."""
    view, this = cold_round()
    assert "no candidate has a like" in str(baselines.popularity(view, this))
    likes = Likes.of([0, 1, 2], [int(this.candidates[4])] * 2 + [int(this.candidates[0])], [np.nan] * 3)
    score = baselines.popularity(view, replace(this, likes=likes))
    assert not isinstance(score, str)
    assert score(this.queries[0])[:5].tolist() == [1, 0, 0, 0, 2]


def test_find_the_planted_field() -> None:
    """Both linear classifiers rank papers of the liked field far above chance."""
    view, this = cold_round()
    for fit in (baselines.tfidf_svm, baselines.logistic_regression):
        score = fit(view, this)
        assert not isinstance(score, str)
        above = []
        for query in this.queries[:20]:
            scores = score(query)
            above.append(np.mean(scores[query.relevant][:, None] > scores[~query.relevant][None, :]))
        assert np.mean(above) > 0.7


def test_negatives() -> None:
    """Negatives are visible papers without a like of the user; the draw depends on seed and likes alone."""
    view, this = cold_round()
    liked = this.queries[0].liked
    drawn = draw_negatives(view.paper_ids, this, liked, 50)
    assert len(set(drawn)) == 50
    assert not np.isin(drawn, liked).any()
    assert np.isin(drawn, this.negatives).all()
    assert (drawn == draw_negatives(view.paper_ids, this, liked, 50)).all()
    assert (drawn != draw_negatives(view.paper_ids, replace(this, seed=2), liked, 50)).any()
    assert len(draw_negatives(view.paper_ids, this, liked, 10_000)) == len(this.negatives) - len(liked)


def test_no_negatives() -> None:
    """If only the likes are visible, both linear classifiers return the reason."""
    view, this = cold_round()
    alone = replace(this, negatives=this.queries[0].liked, queries=this.queries[:1])
    assert "no papers besides the likes" in str(baselines.logistic_regression(view, alone))
    assert "no papers besides the likes" in str(baselines.tfidf_svm(view, alone))


def test_ranks() -> None:
    """The best has rank 0, and equal scores share the mean of their ranks."""
    assert ranks(np.array([1.0, 5.0, 3.0, 3.0])).tolist() == [3.0, 0.0, 1.5, 1.5]


def test_sum_of_ranks() -> None:
    """The blend scores by the sum of both ranks."""
    view, this = cold_round()
    by_words, blend = baselines.tfidf_svm(view, this), baselines.blend(view, this)
    assert not isinstance(by_words, str)
    assert not isinstance(blend, str)
    query = this.queries[3]
    space = view.whitened(1.0)
    near = nearest_mean(space[view.local(this.candidates)] @ space[view.local(query.liked)].T)
    assert (blend(query) == -(ranks(by_words(query)) + ranks(near))).all()
