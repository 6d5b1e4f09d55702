"""The explanations of the shipped bundle against exact SHAP, on sample papers with the real encoder."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ranker.bundle.bundle import default_bundle_path, load_bundle
from ranker.features import compute_matrix
from ranker.papers import paper_columns
from ranker.profile.profile import build_profile
from ranker.spaces.spaces import PaperMatrix
from service.encoder import OpenedEncoder, open_encoder
from tests.process.running import ROOT
from tests.ranker.reasons.attribution import agreement

pytestmark = [pytest.mark.model, pytest.mark.slow]

SAMPLE = ROOT / "cli" / "sample"
TASTES = Path(__file__).parent / "tastes.json"


@pytest.fixture(scope="module")
def encoder() -> Iterator[OpenedEncoder]:
    """The default encoder."""
    opened = open_encoder()
    yield opened
    opened.close()


def test_leaf_table_names_the_family_that_shap_names(encoder: OpenedEncoder) -> None:
    """Leaf table and SHAP name the same first family for nearly all of the first 20 papers of all users (99 % now)."""
    bundle = load_bundle(default_bundle_path(), encoder=encoder.name)

    def placed(papers: list[dict[str, str]]) -> PaperMatrix:
        texts = [(paper["title"], paper.get("abstract", "")) for paper in papers]
        vectors = np.asarray(encoder.encode([f"{title}\n{abstract}" for title, abstract in texts]), dtype=np.float32)
        columns = paper_columns(
            [f"{i}" for i in range(len(texts))],
            [title for title, _ in texts],
            vectors,
            abstracts=[abstract for _, abstract in texts],
        )
        return bundle.spaces.matrix(columns)

    candidates = placed([json.loads(line) for line in (SAMPLE / "digest.jsonl").read_text("utf-8").splitlines()])
    libraries = [user["likes"] for user in json.loads((SAMPLE / "readers.json").read_text("utf-8"))["readers"]]
    libraries += [taste["liked"] for taste in json.loads(TASTES.read_text("utf-8")).values()]
    rows = [compute_matrix(build_profile(placed(likes)), candidates, float("nan")) for likes in libraries]

    share = agreement(bundle.model, rows)

    print(f"leaf table and exact SHAP agree on the first family of {share:.1%} of the first papers")  # noqa: T201 (shown with -s)
    assert len(rows) >= 6
    assert share > 0.85
