"""The reference model: the floor for the speed of ranking, whatever model is served.

LightGBM takes three seconds to import, so only the process that runs the model does.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import lightgbm

FILE = Path(__file__).with_name("reference_model.txt")


def reference_model() -> "lightgbm.Booster":
    """Return the model of ``reference_model.txt``."""
    import lightgbm  # noqa: PLC0415 - see the module's docstring

    return lightgbm.Booster(model_file=str(FILE))


def reference_rows(model: "lightgbm.Booster", count: int) -> np.ndarray:
    """Return (count, features) random feature values for the model."""
    return np.random.default_rng(0).standard_normal((count, model.num_feature())).astype(np.float32)
