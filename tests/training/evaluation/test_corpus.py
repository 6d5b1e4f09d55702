from dataclasses import replace

import numpy as np
import pytest

from ranker.papers import paper_columns
from ranker.signals import PaperSignals, Signals
from testing.training import MONDAY, WEEK
from tests.training.evaluation.builders import dated, week_round, with_paper
from training.evaluation.corpus import Corpus, anonymous


def test_tfidf_is_the_library_s() -> None:
    """Weights equal those of a TfidfVectorizer fitted on the visible papers alone."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    view, this = week_round(dated(), 5)
    texts = dated().papers.texts
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), stop_words="english", sublinear_tf=True)
    vectorizer.fit([texts[row] for row in this.visible])
    expected = vectorizer.transform([texts[row] for row in view.rows])
    assert (view.tfidf @ view.tfidf.T).toarray() == pytest.approx((expected @ expected.T).toarray())


def test_whitening_evens_out_the_visible() -> None:
    """Whitening evens out variances, and rows that are not visible do not change it."""
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((300, 4)) * (4, 2, 1, 1)).astype(np.float32)
    spaces = []
    for scale in (1, 9):
        changed = np.concatenate((vectors[:250], vectors[250:] + scale))
        corpus = Corpus.of(paper_columns([f"p{i}" for i in range(300)], ["t"] * 300, changed.astype(np.float32)))
        spaces.append(corpus.view(np.arange(250), np.arange(250, 300)).whitened(0.0)[:250])
    spread = np.linalg.eigvalsh(np.cov(spaces[0].T))
    assert spread.max() / spread.min() < 3
    assert (spaces[0] == spaces[1]).all()


def test_later_papers_change_no_bit() -> None:
    """A later paper in the file changes no bit of a round's idf, whitening and vectors."""
    view, _ = week_round(dated(), 5)
    planted, _ = week_round(with_paper(dated(), MONDAY + 35 * WEEK), 5)
    assert (view.rows + 1 == planted.rows).all()
    assert (view.tfidf.data == planted.tfidf.data).all()
    assert (view.whitened(1.0) == planted.whitened(1.0)).all()


def test_no_words_no_vectors() -> None:
    """Papers without words or vectors give rows of zeros and no error."""
    vectors = np.full((3, 2), np.nan, dtype=np.float32)
    view = Corpus.of(paper_columns(["a", "b", "c"], ["the", "of", "-"], vectors)).view(np.arange(2), np.array([2]))
    assert view.tfidf.nnz == 0
    assert not view.units.any()
    assert not view.whitened(1.0).any()


def test_anonymous() -> None:
    """Authors, upvotes and signals are removed."""
    papers = with_paper(dated(), MONDAY).papers
    seen = Signals.of([PaperSignals.of([(MONDAY, 3.0)], [(MONDAY, "like", 1)]) for _ in papers.paper_ids])
    hidden = anonymous(replace(papers, signals=seen))
    assert hidden.signals is None
    assert set(hidden.authors) == {()}
    assert np.isnan(hidden.upvotes).all()
