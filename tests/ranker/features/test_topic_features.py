from dataclasses import replace

import numpy as np
import pytest

from ranker.features import SCHEMA, compute_matrix
from ranker.profile.profile import build_profile
from ranker.spaces.categories import CategoryTable
from ranker.spaces.spaces import PaperMatrix
from ranker.user_context import UserContext
from testing.ranker import NOW, columns, named, pending, spaces

SPACES = spaces()


def matrix(categories: list[tuple[str, ...]], prefix: str = "p", seed: int = 0) -> PaperMatrix:
    """Random papers with these categories."""
    papers = columns(len(categories), prefix=prefix, seed=seed)
    return SPACES.matrix(replace(papers, categories=tuple(categories)))


CANDIDATES = matrix([("cs.IR", "cs.LG"), ("cs.LG",), (), ("cs.LG", "q-bio"), ("cs.LG",), ("cs.LG", "cs.LG")])


def column(likes: PaperMatrix, name: str, user_context: UserContext | None = None) -> np.ndarray:
    """One feature of all candidates."""
    return named(compute_matrix(build_profile(likes), CANDIDATES, NOW, user_context or UserContext()), name)


def test_overlap_by_hand() -> None:
    """The overlap is the mean of the categories' shares among the likes with categories, rare ones counting more."""
    likes = matrix([("cs.IR",), ("cs.LG", "cs.IR"), (), ("cs.IR", "q-bio", "cs.IR")], "l")
    shares = {"cs.IR": 1.0, "cs.LG": 1 / 3, "q-bio": 1 / 3}
    # Of six candidates one has cs.IR, five have cs.LG and one has q-bio.
    rarity = {name: np.log(16 / count) for name, count in (("cs.IR", 1), ("cs.LG", 5), ("q-bio", 1))}
    own = CANDIDATES.columns.categories
    expected = [
        np.average([shares[name] for name in set(c)], weights=[rarity[n] for n in set(c)]) if c else np.nan for c in own
    ]
    found = column(likes, "topic_category_overlap")

    assert np.allclose(found, expected, atol=1e-6, equal_nan=True)
    known = found[~np.isnan(found)]
    relative = column(likes, "topic_category_overlap_relative")
    assert np.allclose(relative[~np.isnan(found)], (known - known.mean()) / known.std(), atol=1e-5)
    assert np.isnan(relative[2])


def test_rare_categories_count_more() -> None:
    """A shared category that few candidates have counts more than one that nearly all have."""
    rare = column(matrix([("q-bio",)], "l"), "topic_category_overlap")[3]
    common = column(matrix([("cs.LG",)], "l"), "topic_category_overlap")[3]
    assert rare > 0.5 > common > 0
    assert rare + common == pytest.approx(1)


def test_without_categories() -> None:
    """If the likes or the candidates have no categories, the category features are NaN."""
    assert np.isnan(column(matrix([(), ()], "l"), "topic_category_overlap")).all()
    bare = compute_matrix(build_profile(CANDIDATES), SPACES.matrix(columns(4)), NOW)
    assert np.isnan(bare[:, SCHEMA.columns_of("topic")]).all()


def test_pending_has_categories() -> None:
    """A candidate with a pending vector has the category features."""
    found = compute_matrix(build_profile(CANDIDATES), SPACES.matrix(pending(CANDIDATES.columns, [1])), NOW)
    assert np.isfinite(found[1, SCHEMA.names.index("topic_category_overlap")])


def test_follows() -> None:
    """The follow features are 1 or 0 if the user follows something, else NaN."""
    flags = np.array([True, False, False, True, False, False])
    user_context = UserContext(followed_topic=flags)
    assert column(CANDIDATES, "topic_followed", user_context).tolist() == flags.astype(float).tolist()
    assert np.isnan(column(CANDIDATES, "topic_followed_author", user_context)).all()


def test_table() -> None:
    """Categories are numbered by first appearance and counted once for each paper."""
    table = CategoryTable.of([("b", "a"), (), ("a", "a")])
    assert (table.names, table.primary.tolist()) == (("b", "a"), [0, -1, 1])
    assert list(zip(table.rows.tolist(), table.numbers.tolist(), strict=True)) == [(0, 0), (0, 1), (2, 1)]
    assert CategoryTable.of([]).mean_values({}).shape == (0,)
