"""Paths of the real data sets."""

import os
from pathlib import Path

from tests.requirements import require


def data_file(*parts: str) -> Path:
    """Return the path of a file of the shared data. Skip the test if it is missing."""
    root = Path(os.environ.get("PAPERFEED_DATA", Path(__file__).parents[4] / "shared" / "data"))
    path = root.joinpath(*parts)
    require("data", path.is_file(), "set PAPERFEED_DATA to the folder with the shared data sets")
    return path
