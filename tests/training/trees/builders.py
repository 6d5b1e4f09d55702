"""Feature rows in which words and vectors decide the relevance, and a recipe whose base weighs vectors too little."""

from dataclasses import replace

import numpy as np

from ranker.features import SCHEMA
from training.data.rows import Rows
from training.data.snapshot import LIKED
from training.recipes import find_recipe

RECIPE = replace(find_recipe("tiny"), tree_count=12, base=(("text_linear", 1.0), ("embedding_nearest", 0.5)))
WITHOUT_BASE = replace(RECIPE, base=())
BY_WORDS, BY_VECTORS = SCHEMA.names.index("text_linear"), SCHEMA.names.index("embedding_nearest")
QUERIES, SIZE = 60, 20


def rows(seed: int) -> Rows:
    """Return queries of random features, in which a high sum of two features makes a candidate relevant."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((QUERIES * SIZE, len(SCHEMA))).astype(np.float32)
    telling = features[:, BY_WORDS] + features[:, BY_VECTORS]
    return Rows(features, np.where(telling > 1.4, LIKED, 0), np.full(QUERIES, SIZE, np.int32))
