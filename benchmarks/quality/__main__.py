"""The whole test of ranking quality, on both public data sets, kept as JSON with the command that made it.

    python -m benchmarks.quality                    # seeds 1 to 5 of cold-items, the weeks of 2018 of weekly-digest
    python -m benchmarks.quality --ablation         # also without each family of features, masked
    python -m benchmarks.quality --ablation --retrain-ablation   # and trained without it: as many trainings as families

Results go to ``benchmarks/results/quality-<protocol>[-ablation].json``. It takes hours: everything is run through
``paperfeed evaluate``, as a user would.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.figures import made_by
from datasets.files import public_files
from ranker.features import SCHEMA

DATA = {"cold-items": "citeulike-a", "weekly-digest": "arxiv-2016-2018"}
RESULTS = Path(__file__).parents[1] / "results"
ALWAYS_MASKED = "collaborative"
"""The ranker has to hold without it, so every result has this variant where the family is there."""


def arguments_of(protocol: str, options: argparse.Namespace, masked: list[str]) -> list[str]:
    """The arguments of one ``paperfeed evaluate``, without where the data and the cache lie."""
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
    """All of them for an ablation; else the one that has to be dispensable, where this version has it."""
    return [family for family in SCHEMA.families if ablation or family == ALWAYS_MASKED]


def run(protocol: str, options: argparse.Namespace, data: Path) -> Path:
    """Runs one protocol and writes its file."""
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
    """Writes the results and names the files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("--protocol", choices=list(DATA), action="append", help="default: both")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--from", dest="first", default="2018-01-01")
    parser.add_argument("--to", dest="last", default="2018-12-31")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--retrain", action="store_true", help="weekly-digest: train first, not the shipped bundle")
    parser.add_argument("--max-users", type=int, help="fewer readers, for a look")
    parser.add_argument("--ablation", action="store_true", help="mask each family in turn")
    parser.add_argument("--retrain-ablation", action="store_true", help="also train without each family in turn")
    options = parser.parse_args()
    data = Path(os.environ.get("PAPERFEED_DATA", "../shared/data"))
    for protocol in options.protocol or list(DATA):
        print(run(protocol, options, data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
