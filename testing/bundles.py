"""Builds a tiny trained bundle for the hashing encoder."""

from functools import cache
from pathlib import Path

import lightgbm
import numpy as np

from ranker.bundle.bundle import write_bundle
from ranker.bundle.calibration import Calibration
from ranker.features import SCHEMA, compute_matrix
from ranker.papers import paper_columns
from ranker.profile.profile import build_profile
from ranker.signals import PaperSignals, Signals
from ranker.user_context import UserContext
from service.domain.papers import embedding_text
from service.encoder import HashingEncoder
from testing.calls import make_papers
from testing.papers import TOPICS
from testing.ranker import spaces

PAPERS_PER_TOPIC = 40
QUERIES_PER_TOPIC = 12
LIKE_COUNT = 5
TREE_COUNT = 20
DAY_SECONDS = 86_400.0
NEAR_COSINE = 0.6
NOW = 1_300_000_000.0
PARAMS = {
    "objective": "lambdarank",
    "num_leaves": 7,
    "min_data_in_leaf": 10,
    "monotone_constraints": list(SCHEMA.directions),
    "deterministic": True,
    "num_threads": 1,
    "verbose": -1,
}


@cache
def model_text() -> str:
    """Train a model on users with one topic each, who like papers of their topic, more so those of the last seven days.

    In every second query they also like followed and trending papers of other topics, but no paper near a disliked one.
    """
    papers = [paper for topic in TOPICS for paper in make_papers(PAPERS_PER_TOPIC, topic)]
    for number, paper in enumerate(papers):  # the same model in every run
        paper.paper_id, paper.title = f"p{number}", f"{paper.title.rpartition(' ')[0]} {number}"
    rng = np.random.default_rng(0)
    ages = rng.integers(0, 14, len(papers))
    matrix = spaces(HashingEncoder().encode(["x"]).shape[1]).matrix(
        paper_columns(
            [paper.paper_id for paper in papers],
            [paper.title for paper in papers],
            HashingEncoder().encode([embedding_text(paper.title, paper.abstract) for paper in papers]),
            abstracts=[paper.abstract for paper in papers],
            published_at=NOW - DAY_SECONDS * ages,
        )
    )
    topic_of = np.repeat(np.arange(len(TOPICS)), PAPERS_PER_TOPIC)
    rows, labels, sizes = [], [], []
    for number, topic in enumerate(np.repeat(np.arange(len(TOPICS)), QUERIES_PER_TOPIC)):
        likes = rng.choice(np.nonzero(topic_of == topic)[0], LIKE_COUNT, replace=False)
        candidates = np.setdiff1d(np.arange(len(papers)), likes)
        chosen = matrix.take(candidates.tolist())
        label = (topic_of[candidates] == topic).astype(int) * (1 + (ages[candidates] < 7))
        disliked, user_context = candidates[:0], UserContext()
        if number % 2:
            topics, authors, heats = (rng.random(len(candidates)) < 0.1 for _ in range(3))
            events = [PaperSignals.of([], [(NOW, "like", 0)] * (3 * hot)) for hot in heats.tolist()]
            chosen, user_context = chosen.with_signals(Signals.of(events)), UserContext(topics, authors)
            label = label + topics + authors + heats
            disliked = rng.choice(np.nonzero(topic_of == topic)[0], 2, replace=False)
            label[(chosen.units @ matrix.units[disliked].T).max(axis=1) > NEAR_COSINE] = 0
        profile = build_profile(matrix.take(likes.tolist()), matrix.take(disliked.tolist()))
        rows.append(compute_matrix(profile, chosen, NOW, user_context))
        labels.append(label)
        sizes.append(len(candidates))
    data = lightgbm.Dataset(np.concatenate(rows), np.concatenate(labels), group=sizes, feature_name=list(SCHEMA.names))
    return lightgbm.train(PARAMS, data, TREE_COUNT).model_to_string()


def write_tiny_bundle(
    folder: Path,
    *,
    encoder_name: str,
    model_text: str,
    recipe: str = "tiny",
    calibration: Calibration | None = None,
) -> None:
    """Write a bundle with this model for this encoder. Bundles of different recipes have different versions."""
    write_bundle(
        folder,
        model_text=model_text,
        base={},
        spaces=spaces(HashingEncoder().encode(["x"]).shape[1]),
        encoder_name=encoder_name,
        recipe=recipe,
        fingerprint="0" * 64,
        created_at="2026-01-01T00:00:00+00:00",
        calibration=calibration,
    )
