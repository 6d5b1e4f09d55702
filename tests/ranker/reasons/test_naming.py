import numpy as np
import pytest

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


@pytest.mark.parametrize(
    ("title", "named", "not_named"),
    [
        ("Attention is all you need", {"attention"}, {"need", "all you need", "all"}),
        (
            "Towards a theory of dreams based on neural fields",
            {"dreams", "neural fields"},
            {"towards", "based", "theory"},
        ),
        ("Enhancing video quality", {"video quality", "video"}, {"enhancing", "enhancing video", "quality"}),
        ("A method for mitigating bias in maps", {"bias", "maps"}, {"mitigating bias", "mitigating", "method"}),
        ("Growing a language", {"language"}, {"growing"}),
        ("Subspace clustering", {"subspace clustering", "clustering", "subspace"}, set()),
        ("Deep reinforcement learning", {"deep reinforcement learning", "reinforcement learning"}, {"reinforcement"}),
        ("Map distillation without rewards", {"map distillation", "rewards"}, {"map distillation without"}),
        ("Few-shot visual recognition", {"few-shot visual recognition", "recognition"}, {"few-shot", "visual"}),
        ("Literature-based discovery in music", {"literature-based discovery", "music"}, {"literature-based"}),
        ("Networks that are exponentially growing", {"networks"}, {"exponentially"}),
        ("Signed networks", {"signed networks", "networks"}, {"signed"}),
    ],
)
def test_names_that_a_person_would_give(title: str, named: set[str], not_named: set[str]) -> None:
    """Names end with a noun, and contain no function words and no verb with its object."""
    texts = {phrase.text for phrase in phrases(title)}
    assert named <= texts
    assert not texts & not_named


def test_one_title_does_not_name_many() -> None:
    """A phrase of one title alone does not name a group of several papers."""
    assert name_groups([["Few-shot sheep", "Few-shot goats", "Few-shot cows"]], None) == ("",)
    assert name_groups([["Few-shot sheep", "Few-shot goats"]], None, max_phrases=1) != ("",)


def test_phrases() -> None:
    """Phrases do not cross punctuation or stop words, contain no numbers and drop BibTeX's braces."""
    texts = {phrase.text for phrase in phrases("{B}ayesian networks: theory of 3 proteins")}
    assert {"bayesian networks", "networks", "proteins"} <= texts
    assert not any(word in text.split() for text in texts for word in ("of", "3"))
    assert "networks theory" not in texts


def test_buckets_are_those_of_the_text() -> None:
    """Words and pairs have the same buckets as in hashed_terms; these words are too short for stems."""
    buckets = set(hashed_terms("Graph neural nets")[0].tolist())
    keys = [word_key(word) for word in ("graph", "neural", "nets")]
    assert {word_bucket(key) for key in keys} | {pair_bucket(*keys[:2]), pair_bucket(*keys[1:])} == buckets
    assert word_key("network") == word_key("networks")
