"""Calibrates the shipped bundle, and measures its probabilities on data that neither trees nor calibration have seen.

    python -m benchmarks.quality.calibration --fit      # replaces the calibration of the shipped bundle
    python -m benchmarks.quality.calibration            # measures it

The calibration is fitted on digests of arxiv-2025 before October 2025, of the users whom the training of the bundle
held out. It is measured on later digests of all other users of arxiv-2025, and on digests of the held-out users of
arxiv-2016-2018. ``paperfeed train`` fits a calibration by itself, on both data sets.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import made_by
from benchmarks.quality.__main__ import RESULTS, SHIPPED, loaded
from data_sets.files import PUBLIC_DATA
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle, write_bundle
from ranker.bundle.calibration import Calibration
from training.calibration.digests import digest_queries
from training.calibration.held_out import ScoredDigests, calibrate
from training.data.catalogs import DatasetPapers
from training.data.cross_fitting import NO_FOLD
from training.data.snapshot import Dataset
from training.preparation import held_out_users
from training.recipes import find_recipe

FITTED_DIGESTS, MEASURED_DIGESTS = 3_000, 3_000
OTHER = "arxiv-2016-2018"
RESULT = RESULTS / "quality-calibration.json"


def scored(dataset: Dataset, bundle: Bundle, users: Sequence[int], limit: int, since: float) -> ScoredDigests:
    """Return digests of these users, scored by the bundle."""
    queries = digest_queries(dataset, users, limit=limit, rng=np.random.default_rng(0), since=since)
    papers = DatasetPapers(dataset, bundle.spaces, {NO_FOLD: bundle.spaces.factor_map}, None)
    return ScoredDigests.of(papers, queries, bundle.model)


def fitted(bundle: Bundle, dataset: Dataset, held_out: Sequence[int], limit: int = FITTED_DIGESTS) -> Calibration:
    """Return the calibration of the bundle on the users whom its training held out.

    Raises:
        ValueError: There are too few likes.
    """
    known = dataset.before(find_recipe("default").known_until)
    found = calibrate({dataset.name: scored(known, bundle, held_out, limit, -np.inf)}, np.random.default_rng(0))
    if found.calibration is None:
        raise ValueError(found.problem)
    return found.calibration


def measured(
    bundle: Bundle, load: Callable[[str], Dataset], held_out: dict[str, list[int]], limit: int = MEASURED_DIGESTS
) -> dict[str, Any]:
    """Return the quality of the bundle's calibration by data set; data sets that ``load`` lacks are left out."""
    assert bundle.calibration is not None
    result = {}
    for name in (SHIPPED, OTHER):
        dataset = load(name)
        since, users = -np.inf, held_out[name]
        if name == SHIPPED:
            since = find_recipe("default").known_until
            users = np.setdiff1d(dataset.likes.users, users).tolist()
        found = scored(dataset, bundle, users, limit, since)
        result[name] = {**found.measured(bundle.calibration).as_dict(), "papers": len(dataset.papers)}
    return result


def calibrated_bundle(folder: Path, calibration: Calibration) -> Bundle:
    """Give the bundle in the folder this calibration; return it."""
    bundle = load_bundle(folder, encoder=None)
    manifest = bundle.manifest
    kept = ("encoder_name", "recipe", "fingerprint", "created_at", "base", "params", "metrics")
    write_bundle(
        folder,
        model_text=bundle.model.text,
        spaces=bundle.spaces,
        calibration=calibration,
        **{name: getattr(manifest, name) for name in kept},
    )
    written = load_bundle(folder, encoder=None)
    assert dict(written.manifest.files) == dict(manifest.files), "model or spaces changed"
    return written


def main() -> int:
    """Fit or measure, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.calibration")
    parser.add_argument("--fit", action="store_true", help="replace the calibration of the shipped bundle")
    options = parser.parse_args()
    folder, recipe = default_bundle_path(), find_recipe("default")
    data = {name: loaded(name)[1] for name in PUBLIC_DATA}
    held_out = dict(zip(data, held_out_users(list(data.values()), recipe, seed=0), strict=True))
    bundle = load_bundle(folder, encoder=None)
    if options.fit:
        bundle = calibrated_bundle(folder, fitted(bundle, data[SHIPPED], held_out[SHIPPED]))
        print(bundle.version)
        return 0
    result = {"bundle": bundle.version, "data": measured(bundle, data.__getitem__, held_out)}
    result["made_by"] = made_by(command="python -m benchmarks.quality.calibration", note="")
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(RESULT)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
