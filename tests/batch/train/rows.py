"""Made-up feature rows of the two kinds of queries that ``training.trees.experts`` tells apart."""

from dataclasses import replace

import numpy as np

from ranker.features import SCHEMA
from training.data.rows import Rows
from training.data.snapshot import LIKED
from training.recipes import find_recipe
from training.trees.experts import GATE, GATE_TERMS

RECIPE = replace(find_recipe("tiny"), tree_count=12, min_expert_queries=10)
_QUERIES, _SIZE = 60, 20


def rows(seed: int) -> Rows:
    """Return sixty queries of twenty rows: words predict the labels of the first half, vectors those of the second."""
    column = {name: number for number, name in enumerate(SCHEMA.names)}
    features = np.random.default_rng(seed).standard_normal((_QUERIES * _SIZE, len(SCHEMA))).astype(np.float32)
    abstracts = np.repeat(np.arange(_QUERIES) < _QUERIES / 2, _SIZE)
    features[:, column[GATE]] = np.log1p(np.where(abstracts, GATE_TERMS * 4, GATE_TERMS / 4))
    best = np.where(abstracts, features[:, column["text_mean"]], features[:, column["embedding_nearest"]])
    return Rows(features, np.where(best > 1, LIKED, 0), np.full(_QUERIES, _SIZE, np.int32))
