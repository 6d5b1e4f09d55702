"""The reference model: the floor for the speed of ranking, whatever model is served."""

from pathlib import Path

import lightgbm
import numpy as np

FILE = Path(__file__).with_name("reference_model.txt")


def reference_model() -> lightgbm.Booster:
    """Return the model of ``reference_model.txt``."""
    return lightgbm.Booster(model_file=str(FILE))


def reference_rows(model: lightgbm.Booster, count: int) -> np.ndarray:
    """Return (count, features) random feature values for the model."""
    return np.random.default_rng(0).standard_normal((count, model.num_feature())).astype(np.float32)
