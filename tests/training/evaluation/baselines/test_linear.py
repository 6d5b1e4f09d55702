from dataclasses import replace

import numpy as np

from tests.training.evaluation.builders import cold_round
from training.evaluation.baselines.linear import LogisticRegression, TfidfSvm, draw_negatives


def test_find_the_planted_field() -> None:
    """Both rank papers of the liked field far above chance."""
    view, this = cold_round()
    for baseline in (TfidfSvm(), LogisticRegression(), LogisticRegression(damping=None)):
        score = baseline.open(view, this)
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
    """If only the likes are visible, both return the reason."""
    view, this = cold_round()
    alone = replace(this, negatives=this.queries[0].liked, queries=this.queries[:1])
    assert "no papers besides the likes" in str(LogisticRegression().open(view, alone))
    assert "no papers besides the likes" in str(TfidfSvm().open(view, alone))
