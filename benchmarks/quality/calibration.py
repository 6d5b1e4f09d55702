"""Calibrates the shipped bundle, and measures its probabilities on data that neither trees nor calibration have seen.

The calibration is fitted on digests of arxiv-2025 before October 2025, of the users whom the training of the bundle
held out. It is measured on later digests of all other users of arxiv-2025, and on digests of the held-out users of
arxiv-2016-2018. ``paperfeed train`` fits a calibration by itself, on both data sets.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from data_sets.files import PUBLIC_DATA
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle, write_bundle
from training.calibration.digests import digest_queries
from training.calibration.held_out import ScoredDigests, calibrate
from training.data.catalogs import DatasetPapers
from training.data.cross_fitting import NO_FOLD
from training.data.snapshot import Dataset
from training.preparation import held_out_users
from training.recipes import find_recipe

FITTED_DIGESTS, MEASURED_DIGESTS = 3_000, 3_000
SHIPPED = "arxiv-2025"
"""The data set that the shipped bundle is judged on: its test weeks are later than everything the bundle knows."""
OTHER = "arxiv-2016-2018"
Load = Callable[[str], Dataset]
"""Returns a public data set with its vectors."""


def scored(dataset: Dataset, bundle: Bundle, users: Sequence[int], limit: int, since: float) -> ScoredDigests:
    """Return digests of these users, scored by the bundle."""
    queries = digest_queries(dataset, users, limit=limit, rng=np.random.default_rng(0), since=since)
    papers = DatasetPapers(dataset, bundle.spaces, {NO_FOLD: bundle.spaces.factor_map}, None)
    return ScoredDigests.of(papers, queries, bundle.model)


def calibrate_shipped(load: Load) -> Bundle:
    """Fit the calibration of the shipped bundle on the users whom its training held out; write and return the bundle.

    Raises:
        ValueError: There are too few likes.
    """
    folder = default_bundle_path()
    bundle = load_bundle(folder, encoder=None)
    known = load(SHIPPED).before(find_recipe("default").known_until)
    digests = scored(known, bundle, held_out(load)[SHIPPED], FITTED_DIGESTS, -np.inf)
    found = calibrate({SHIPPED: digests}, np.random.default_rng(0))
    if found.calibration is None:
        raise ValueError(found.problem)
    manifest = bundle.manifest
    kept = ("encoder_name", "recipe", "fingerprint", "created_at", "base", "params", "metrics")
    write_bundle(
        folder,
        model_text=bundle.model.text,
        spaces=bundle.spaces,
        calibration=found.calibration,
        **{name: getattr(manifest, name) for name in kept},
    )
    written = load_bundle(folder, encoder=None)
    assert dict(written.manifest.files) == dict(manifest.files), "model or spaces changed"
    return written


def calibration(bundle: Bundle, load: Load) -> dict[str, Any]:
    """Return the quality of the bundle's calibration by data set."""
    assert bundle.calibration is not None
    hidden, result = held_out(load), {}
    for name in (SHIPPED, OTHER):
        dataset, users, since = load(name), hidden[name], -np.inf
        if name == SHIPPED:
            since = find_recipe("default").known_until
            users = np.setdiff1d(dataset.likes.users, users).tolist()
        found = scored(dataset, bundle, users, MEASURED_DIGESTS, since)
        result[name] = {**found.measured(bundle.calibration).as_dict(), "papers": len(dataset.papers)}
    return {"bundle": bundle.version, "data": result}


def held_out(load: Load) -> dict[str, list[int]]:
    """Return the users of each data set whom the training of the shipped bundle held out."""
    data = [load(name) for name in PUBLIC_DATA]
    return dict(zip(PUBLIC_DATA, held_out_users(data, find_recipe("default"), seed=0), strict=True))
