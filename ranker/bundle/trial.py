"""A trial of a model in a process of its own.

LightGBM does not check its input: a damaged or made-up text can end the whole process. ``ranker.trees`` refuses what it
can see; the trial finds the rest before the text reaches a process that serves.
"""

import hashlib
import subprocess
import sys

TRIAL_SECONDS = 120.0
"""Limit for the trial. Importing LightGBM and scoring a row take a second or two."""
_PROGRAM = """
import sys

# LightGBM imports these if it can, which takes most of its time.
sys.modules.update(dict.fromkeys(("cffi", "dask", "graphviz", "matplotlib", "pandas", "pyarrow", "sklearn")))
import lightgbm
import numpy as np

model = lightgbm.Booster(model_str=sys.stdin.buffer.read().decode())
width = int(sys.argv[1])
rows = np.array([[value] * width for value in (np.nan, 0.0, -1e30, 1e30)], dtype=np.float32)
leaves = model.predict(rows, pred_leaf=True, num_threads=1).reshape(len(rows), -1)
assert leaves.shape[1] == int(sys.argv[2]) and (leaves >= 0).all() and (leaves < int(sys.argv[3])).all()
assert np.isfinite(model.predict(rows, num_threads=1)).all()
"""


_known: dict[str, str] = {}


def problem_of(text: str, feature_count: int, tree_count: int, most_leaves: int) -> str:
    """Return why LightGBM cannot use a model; empty if it can. Takes a second, once for each text and process."""
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    if sha256 not in _known:
        _known[sha256] = _tried(text, feature_count, tree_count, most_leaves)
    return _known[sha256]


def _tried(text: str, *counts: int) -> str:
    # -P: modules are not taken from the present folder.
    command = [sys.executable, "-P", "-c", _PROGRAM, *map(str, counts)]
    try:
        done = subprocess.run(  # noqa: S603 (our own program; the model is its input)
            command, input=text.encode(), capture_output=True, timeout=TRIAL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"LightGBM did not finish reading it within {TRIAL_SECONDS:.0f} seconds"
    if done.returncode == 0:
        return ""
    end = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    return f"LightGBM cannot use it: a process that tried ended with {end}"
