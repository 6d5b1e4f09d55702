"""Measure ranking quality on both public data sets, and keep the results as JSON with the command that made them.

    python -m benchmarks.quality                    # seeds 1 to 5 of cold-items, the weeks of 2018 of weekly-digest
    python -m benchmarks.quality --ablation         # also with each family of features masked
    python -m benchmarks.quality --ablation --retrain-ablation   # also trained without each

Results go to ``benchmarks/results/quality-<protocol>[-ablation].json``. Every result comes from ``paperfeed evaluate``.
This takes hours.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.figures import made_by
from data_sets.files import public_files
from ranker.features import SCHEMA

DATA = {"cold-items": "citeulike-a", "weekly-digest": "arxiv-2016-2018"}
RESULTS = Path(__file__).parents[1] / "results"
ALWAYS_MASKED = "collaborative"
"""The family that is masked in every result, because the ranker must work without it."""


def arguments_of(protocol: str, options: argparse.Namespace, masked: list[str]) -> list[str]:
    """Return the arguments of one ``paperfeed evaluate``, without the paths of the data."""
    chosen = ["--protocol", protocol, "--recipe", options.recipe, "--seeds", options.seeds]
    if protocol == "weekly-digest":
        chosen += ["--from", options.first, "--to", options.last, *(["--retrain"] if options.retrain else [])]
    if options.max_users is not None:
        chosen += ["--max-users", str(options.max_users)]
    return chosen + [word for family in masked for word in ("--mask-family", family)]


def evaluated(protocol: str, arguments: list[str], data: Path) -> dict[str, Any]:
    """The JSON of one run; its progress and warnings are shown."""
    papers, interactions = map(str, public_files(data, DATA[protocol]))
    files = ["--papers", papers, "--interactions", interactions]
    command = [sys.executable, "-m", "cli.main", "evaluate", *files, *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def families_to_mask(*, ablation: bool) -> list[str]:
    """Return all families for an ablation, else ``ALWAYS_MASKED`` if the schema has it."""
    return [family for family in SCHEMA.families if ablation or family == ALWAYS_MASKED]


def run(protocol: str, options: argparse.Namespace, data: Path) -> Path:
    """Run one protocol, write its file and return the path."""
    arguments = arguments_of(protocol, options, families_to_mask(ablation=options.ablation))
    result = evaluated(protocol, arguments, data)
    if options.retrain_ablation:
        options.retrain = True
        result["retrained_without"] = {
            family: evaluated(protocol, [*arguments_of(protocol, options, []), "--train-without", family], data)
            for family in SCHEMA.families
        }
    papers, interactions = public_files(Path("$PAPERFEED_DATA"), DATA[protocol])
    files = f"--papers {papers} --interactions {interactions}"
    result["made_by"] = made_by(
        command=f"paperfeed evaluate {files} {' '.join(arguments)} --json",
        note="all-MiniLM-L6-v2 was itself trained on citation pairs that may include some of these papers.",
    )
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"quality-{protocol}{'-ablation' if options.ablation else ''}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return file


def main() -> int:
    """Write the results and print the names of the files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("--protocol", choices=list(DATA), action="append", help="protocol to run; default: both")
    parser.add_argument("--seeds", default="1,2,3,4,5", help="seeds of the evaluation")
    parser.add_argument("--from", dest="first", default="2018-01-01", help="first day of weekly-digest")
    parser.add_argument("--to", dest="last", default="2018-12-31", help="last day of weekly-digest")
    parser.add_argument("--recipe", default="default", help="training recipe")
    parser.add_argument(
        "--retrain", action="store_true", help="weekly-digest: train a bundle instead of the shipped one"
    )
    parser.add_argument("--max-users", type=int, help="limit of users, for a quick look")
    parser.add_argument("--ablation", action="store_true", help="also mask each family of features")
    parser.add_argument("--retrain-ablation", action="store_true", help="also train without each family")
    options = parser.parse_args()
    data = Path(os.environ.get("PAPERFEED_DATA", "../shared/data"))
    for protocol in options.protocol or list(DATA):
        print(run(protocol, options, data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
