from dataclasses import replace

import numpy as np

from testing.training import planted
from training.data.snapshot import Dataset
from training.spaces.topic_fitting import fit_topics

FIELDS = ({"genome", "protein", "cell"}, {"compiler", "kernel", "memory"}, {"market", "price", "auction"})


def field_of(dataset: Dataset) -> np.ndarray:
    """Return the planted field of each paper."""
    return np.array([next(i for i, words in enumerate(FIELDS) if t.split()[0] in words) for t in dataset.papers.titles])


def test_finds_and_names_the_planted_fields() -> None:
    """Three topics over papers of three fields are the fields, and each is named by two words of its field."""
    dataset = planted(dated=True)
    topics = fit_topics([dataset], 3)
    assert topics.centroids.shape == (3, dataset.papers.embeddings.shape[1])
    assert np.allclose(np.linalg.norm(topics.centroids, axis=1), 1, atol=1e-6)
    vectors = dataset.papers.embeddings
    main = np.argmax(vectors @ topics.centroids.T, axis=1)
    for field in range(3):
        mine = np.bincount(main[field_of(dataset) == field], minlength=3)
        assert mine.max() / mine.sum() > 0.9
        assert set(topics.names[int(mine.argmax())].replace(",", "").split()) <= FIELDS[field]


def test_same_data_same_topics() -> None:
    """Fitting twice gives the same bits, and all names differ."""
    datasets = [planted(dated=True), planted(dated=False, seed=1)]
    one, two = fit_topics(datasets, 8), fit_topics(datasets, 8)
    assert one.centroids.tobytes() == two.centroids.tobytes()
    assert one.names == two.names
    assert len(set(one.names)) == len(one.names)


def test_data_sets_weigh_the_same() -> None:
    """The field of a small data set gets a topic beside a big data set of another field."""
    rng = np.random.default_rng(0)
    base = planted(dated=True).papers

    def of(name: str, word: str, count: int, axis: int) -> Dataset:
        vectors = 0.05 * rng.standard_normal((400, base.embeddings.shape[1]))
        vectors[:, axis] += 1
        papers = replace(base, titles=(word,) * 400, embeddings=vectors.astype(np.float32)).take(range(count))
        return replace(planted(dated=True), name=name, papers=papers)

    assert set(fit_topics([of("big", "compiler", 400, 0), of("small", "genome", 8, 1)], 2).names) == {
        "compiler",
        "genome",
    }


def test_fewer_papers_than_topics() -> None:
    """There are at most as many topics as papers, and none without vectors."""
    papers = planted(dated=True).papers
    few = replace(planted(dated=True), papers=papers.take(range(5)))
    assert 1 <= len(fit_topics([few], 64)) <= 5
    pending = replace(few, papers=replace(few.papers, embeddings=np.full_like(few.papers.embeddings, np.nan)))
    assert len(fit_topics([pending], 64)) == 0
