import numpy as np

from ranker.reasons.naming import name_groups, phrases
from ranker.spaces.terms import BUCKET_COUNT, hashed_terms, pair_bucket, word_bucket, word_key
from ranker.types import Float32Array

GRAPHS = [
    "Graph neural networks for molecules",
    "A survey of graph neural networks",
    "Scaling Graph Neural Networks to the Web",
    "Deep sets",
]
RANKING = [
    "Learning to rank for search",
    "Unbiased learning to rank from click logs",
    "Click models for search engines",
]


def test_names_what_the_titles_share() -> None:
    """A group is named after a phrase that many of its titles and no other titles have."""
    names = name_groups([GRAPHS, RANKING], None)
    assert names[0] == "graph neural networks"
    assert "search" in names[1] or "click" in names[1]


def test_names_differ() -> None:
    """Groups of the same titles get different names or no name."""
    names = name_groups([GRAPHS, GRAPHS, GRAPHS], None)
    assert len({name for name in names if name}) == len([name for name in names if name])


def test_small_groups_take_no_name_from_topics() -> None:
    """The names of large groups do not depend on whether small groups get names too."""
    groups = [GRAPHS[:2], GRAPHS, RANKING]
    topics = name_groups(groups, None, least_titles=3)
    assert topics[0] == ""
    assert topics[1:] == name_groups(groups, None)[1:]
    assert all(topics[1:])


def test_rare_words_tell_more() -> None:
    """Of two words in equally many titles, the one that is rarer at large names the group."""
    idf: Float32Array = np.ones(BUCKET_COUNT, dtype=np.float32)
    idf[word_bucket(word_key("tardigrade"))] = 9
    assert name_groups([["Genome, tardigrade", "Tardigrade, genome"]], idf, max_phrases=1) == ("tardigrade",)


def test_nothing_to_say() -> None:
    """Titles without characteristic words, and groups without titles, give an empty name."""
    assert name_groups([["On the other", "42"], []], None) == ("", "")


def test_phrases() -> None:
    """Phrases do not cross punctuation or stop words, contain no numbers and drop BibTeX's braces."""
    texts = {phrase.text for phrase in phrases("{B}ayesian networks: theory of 3 proteins")}
    assert {"bayesian networks", "bayesian", "proteins"} <= texts
    assert not any(word in text.split() for text in texts for word in ("of", "3"))
    assert "networks theory" not in texts


def test_buckets_are_those_of_the_text() -> None:
    """Words and pairs have the same buckets as in hashed_terms."""
    buckets = set(hashed_terms("Graph neural networks")[0].tolist())
    keys = [word_key(word) for word in ("graph", "neural", "networks")]
    assert {word_bucket(key) for key in keys} | {pair_bucket(*keys[:2]), pair_bucket(*keys[1:])} == buckets
    assert word_key("network") == word_key("networks")
