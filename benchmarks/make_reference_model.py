"""The script that made benchmarks/reference_model.txt: 300 trees of 31 leaves over 40 made-up features.

Speed is always compared with this model. Otherwise a better served model would seem slower, and a toy model faster. Do
not make the file again; the script only documents it.
"""

from pathlib import Path

import lightgbm
import numpy as np

FEATURES = 40
QUERIES = 400
CANDIDATES = 100


def main() -> None:
    """Write the model."""
    rng = np.random.default_rng(20_181_231)
    taste = rng.standard_normal((QUERIES * CANDIDATES, 6))
    mixing = rng.standard_normal((6, FEATURES))
    features = (taste @ mixing + 2 * rng.standard_normal((len(taste), FEATURES))).astype(np.float32)
    features[rng.random(features.shape) < 0.05] = np.nan
    labels = (taste[:, 0] + 0.5 * taste[:, 1] * taste[:, 2] + 0.5 * rng.standard_normal(len(taste)) > 1.2).astype(int)
    data = lightgbm.Dataset(features, labels, group=[CANDIDATES] * QUERIES)
    params = {"objective": "lambdarank", "num_leaves": 31, "learning_rate": 0.05, "deterministic": True, "verbose": -1}
    model = lightgbm.train({**params, "num_threads": 1, "seed": 1, "force_row_wise": True}, data, num_boost_round=300)
    Path(__file__).with_name("reference_model.txt").write_text(model.model_to_string(), encoding="utf-8")


if __name__ == "__main__":
    main()
