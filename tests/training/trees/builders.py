"""Feature rows for which titles and abstracts need different features."""

from dataclasses import replace

import numpy as np

from ranker.features import SCHEMA
from training.data.rows import Rows
from training.data.snapshot import LIKED
from training.recipes import find_recipe
from training.trees.experts import GATE, GATE_TERMS

RECIPE = replace(find_recipe("tiny"), tree_count=12, min_expert_queries=10)
COLUMN = SCHEMA.names.index(GATE)
BY_WORDS, BY_VECTORS = SCHEMA.names.index("text_mean"), SCHEMA.names.index("embedding_nearest")
QUERIES, SIZE = 60, 20


def rows(seed: int, abstract_share: float = 0.5) -> Rows:
    """Return queries whose relevance depends on words where likes have abstracts, and on vectors elsewhere."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((QUERIES * SIZE, len(SCHEMA))).astype(np.float32)
    abstracts = np.repeat(np.arange(QUERIES) < abstract_share * QUERIES, SIZE)
    features[:, COLUMN] = np.log1p(np.where(abstracts, GATE_TERMS * 4, GATE_TERMS / 4))
    telling = np.where(abstracts, features[:, BY_WORDS], features[:, BY_VECTORS])
    return Rows(features, np.where(telling > 1, LIKED, 0), np.full(QUERIES, SIZE, np.int32))
