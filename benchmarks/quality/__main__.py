"""Measure ranking quality on the public data sets, and keep the results as JSON with the command that made them.

    python -m benchmarks.quality --all            # every run below; an hour on two cores with vectors in the cache
    python -m benchmarks.quality arxiv-2025       # some of them
    python -m benchmarks.quality --calibrate      # replace the calibration of the shipped bundle, and measure nothing
    python -m benchmarks.quality --dev left-out-arxiv-2025   # on the dev split, for choosing; nothing is written

The runs:

- ``arxiv-2025``: weekly-digest with the shipped bundle, which knows nothing dated after September 2025.
- ``arxiv-2016-2018``: weekly-digest with a bundle trained on what is before the test weeks.
- ``citeulike-a``: cold-items with a bundle trained for each seed.
- ``left-out-<data set>``: a bundle trained on the other two data sets, which has never seen this one.
- ``interests``: sections for people with two interests; see ``benchmarks/quality/interests.py``.
- ``calibration``: the probabilities of the shipped bundle; see ``benchmarks/quality/calibration.py``.
- ``deployment``: an empty catalog, then a digest a day for sixty days; see ``benchmarks/quality/deployment.py``.

Results go to ``benchmarks/results/quality-<run>.json``. PAPERFEED_EMBEDDING_CACHE names the file that keeps vectors
between runs: embedding the data sets takes an hour or two.
"""

import argparse
import datetime as dt
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

# Before the import of numpy, which reads them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.figures import made_by
from benchmarks.quality.calibration import SHIPPED, calibrate_shipped, calibration
from benchmarks.quality.deployment import deployment
from benchmarks.quality.interests import interests
from data_sets.files import PUBLIC_DATA, embed, public_files, read_files
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle
from service.config import Settings
from service.resources import cache_file, make_encoder
from training.data.snapshot import Dataset
from training.evaluation import Plan, evaluate
from training.train import train

RESULTS = Path(__file__).parents[1] / "results"
NOTE = "all-MiniLM-L6-v2 was itself trained on citation pairs that may include some of these papers."
CALIBRATION = "calibration"
DEPLOYMENT = "deployment"
INTERESTS = "interests"
LEFT_OUT = "left-out-"
RUNS = (*PUBLIC_DATA, *(LEFT_OUT + name for name in PUBLIC_DATA), INTERESTS, CALIBRATION, DEPLOYMENT)


@dataclass(frozen=True)
class Split:
    """The plans of the test or of the dev split.

    Attributes:
        weeks: First and last day on which a week may begin, by data set.
        seeds: Seeds of cold-items.
        left_out_seeds: Seeds of cold-items with a bundle trained on other data sets.
    """

    weeks: dict[str, tuple[dt.date, dt.date]]
    seeds: tuple[int, ...]
    left_out_seeds: tuple[int, ...]

    def plan(self, name: str, *, is_left_out: bool = False) -> Plan:
        """Return the plan for a data set."""
        if name in self.weeks:
            first, last = self.weeks[name]
            return Plan("weekly-digest", first_day=first, last_day=last, workers=2)
        seeds = self.left_out_seeds if is_left_out else self.seeds
        return Plan("cold-items", seeds=seeds, recipe="co-likes", workers=2)


TEST = Split(
    weeks={
        "arxiv-2025": (dt.date(2025, 10, 6), dt.date(2025, 12, 22)),
        "arxiv-2016-2018": (dt.date(2018, 1, 1), dt.date(2018, 12, 31)),
    },
    seeds=(1, 2, 3, 4, 5),
    left_out_seeds=(1, 2),
)
DEV = Split(
    weeks={
        "arxiv-2025": (dt.date(2025, 7, 7), dt.date(2025, 9, 29)),
        "arxiv-2016-2018": (dt.date(2017, 7, 1), dt.date(2017, 12, 31)),
    },
    seeds=(101,),
    left_out_seeds=(101,),
)


@lru_cache
def loaded(name: str) -> tuple[str, Dataset]:
    """Return the encoder's name and a public data set with its vectors."""
    data = Path(os.environ.get("PAPERFEED_DATA", "../shared/data"))
    settings = Settings.read()
    encoder = make_encoder(settings, cache_path=cache_file(settings))
    try:
        return encoder.name, embed(read_files(name, *public_files(data, name)), encoder, with_titles=True)
    finally:
        encoder.close()


def trained(names: Sequence[str]) -> Bundle:
    """Return a bundle trained on these data sets with the default recipe."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        encoder = loaded(names[0])[0]
        train([loaded(name)[1] for name in names], path, encoder_name=encoder, recipe="default")
        return load_bundle(path, encoder=encoder)


def result_of(run: str, split: Split) -> dict[str, Any]:
    """Return the result of a run."""
    if run == INTERESTS:
        encoder, dataset = loaded(SHIPPED)
        return interests(dataset, load_bundle(default_bundle_path(), encoder=encoder), *split.weeks[SHIPPED])
    if run == CALIBRATION:
        return calibration(load_bundle(default_bundle_path(), encoder=None), lambda name: loaded(name)[1])
    if run == DEPLOYMENT:
        encoder, dataset = loaded(SHIPPED)
        return deployment(dataset, load_bundle(default_bundle_path(), encoder=encoder), split.weeks[SHIPPED][0])
    name = run.removeprefix(LEFT_OUT)
    encoder, dataset = loaded(name)
    plan = split.plan(name, is_left_out=name != run)
    if name != run:
        bundle = trained([other for other in PUBLIC_DATA if other != name])
    elif run == SHIPPED and split is TEST:
        bundle = load_bundle(default_bundle_path(), encoder=encoder)
    else:
        bundle, plan = None, replace(plan, retrain=True)
    return evaluate(dataset, plan, bundle=bundle, encoder_name=encoder)


def main() -> int:
    """Make the results and print the names of the files, or the main figures of the dev split."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("runs", nargs="*", metavar="run", help=f"one of {', '.join(RUNS)}")
    parser.add_argument("--all", action="store_true", help="every run")
    parser.add_argument("--dev", action="store_true", help="use the dev split and write nothing")
    parser.add_argument("--calibrate", action="store_true", help="replace the calibration of the shipped bundle")
    options = parser.parse_args()
    if options.calibrate:
        print(calibrate_shipped(lambda name: loaded(name)[1]).version)
        return 0
    # Calibration is measured on the test weeks alone.
    known = tuple(run for run in RUNS if run != CALIBRATION) if options.dev else RUNS
    runs = known if options.all else tuple(options.runs)
    if not runs or set(runs) - set(known):
        parser.error(f"name one or more of {', '.join(known)}, or give --all")
    for run in runs:
        result = result_of(run, DEV if options.dev else TEST)
        if options.dev:
            print(run, json.dumps(result.get("systems", result), indent=1))
            continue
        result["made_by"] = made_by(command=f"python -m benchmarks.quality {run}", note=NOTE)
        file = RESULTS / f"quality-{run}.json"
        file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
