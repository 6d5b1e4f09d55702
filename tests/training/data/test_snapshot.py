from dataclasses import replace

import numpy as np
import pytest

from ranker.signals import NO_SIGNALS, Signals
from testing.training import MONDAY, WEEK, planted
from training.data.snapshot import Likes, check_dataset
from training.errors import TrainingError

DATED = planted(dated=True)


def test_likes_count_once() -> None:
    """A pair occurs once, at its first time; the likes of a user stand together in the order of time."""
    likes = Likes.of([1, 0, 1, 1], [5, 5, 5, 2], [9.0, 1.0, 3.0, 4.0])
    assert likes.users.tolist() == [0, 1, 1]
    assert likes.papers.tolist() == [5, 5, 2]
    assert likes.liked_at.tolist() == [1, 3, 4]
    assert likes.of_user(1) == slice(1, 3)


def test_before() -> None:
    """Papers and likes from the moment on are gone, and the other likes still name the same papers."""
    moment = MONDAY + 20 * WEEK
    past = DATED.before(moment)
    assert (past.papers.published_at < moment).all()
    assert (past.likes.liked_at < moment).all()
    assert len(past.papers) == (DATED.papers.published_at < moment).sum()
    pairs = {(r, past.papers.paper_ids[p]) for r, p in zip(past.likes.users, past.likes.papers, strict=True)}
    whole = zip(DATED.likes.users, DATED.likes.papers, DATED.likes.liked_at, strict=True)
    assert pairs == {(r, DATED.papers.paper_ids[p]) for r, p, when in whole if when < moment}


def test_undated_data_stays() -> None:
    """Papers and likes without times stay."""
    undated = planted(dated=False).before(0.0)
    assert len(undated.papers) == 400
    assert not undated.dated
    assert DATED.dated


def test_fingerprint() -> None:
    """Equal data have equal fingerprints; one like less changes it."""
    fewer = replace(DATED, likes=DATED.likes.where(np.arange(1, len(DATED.likes.users))))
    assert DATED.fingerprint == planted(dated=True).fingerprint != fewer.fingerprint


@pytest.mark.parametrize("changed", ["clicks", "dislikes", "likes", "user_codes", "categories", "signals"])
def test_fingerprint_covers(changed: str) -> None:
    """Grades, clicks, dislikes, user codes, categories and signals change the fingerprint."""
    papers, likes, count = DATED.papers, DATED.likes, len(DATED.papers)
    other = {
        "clicks": replace(DATED, clicks=Likes.of([0], [0], [1.0], [1])),
        "dislikes": replace(DATED, dislikes=Likes.of([0], [0], [1.0], [0])),
        "likes": replace(DATED, likes=replace(likes, grades=np.where(np.arange(len(likes)), likes.grades, 2))),
        "user_codes": replace(DATED, user_codes=np.arange(60)),
        "categories": replace(DATED, papers=replace(papers, categories=(("cs.IR",), *papers.categories[1:]))),
        "signals": replace(DATED, papers=replace(papers, signals=Signals.of([NO_SIGNALS] * count))),
    }
    assert other[changed].fingerprint != DATED.fingerprint


def test_parts_must_fit() -> None:
    """Vectors of another length, likes of unknown papers and misfit title vectors are refused."""
    for wrong in (
        replace(DATED, likes=Likes.of([0], [4000], [1.0])),
        replace(DATED, title_embeddings=np.zeros((1, 12), np.float32)),
    ):
        with pytest.raises(TrainingError, match="dated: "):
            check_dataset(wrong, 12)
    with pytest.raises(TrainingError, match="length 12, not 13"):
        check_dataset(DATED, 13)
