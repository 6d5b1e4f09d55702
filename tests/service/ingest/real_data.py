"""Where the real data sets lie."""

import os
from pathlib import Path

from tests.requirements import require


def data_file(*parts: str) -> Path:
    """The path of a file of the shared data; skips the test where there is none."""
    root = Path(os.environ.get("PAPERFEED_DATA", Path(__file__).parents[4] / "shared" / "data"))
    path = root.joinpath(*parts)
    require("data", path.is_file(), "set PAPERFEED_DATA to the folder with the shared data sets")
    return path
