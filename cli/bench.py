"""``paperfeed bench``: the speed budgets, each against a floor measured in the same run."""

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json

app = typer.Typer(
    help="Measure speed against what it cannot beat; from a checkout of the sources.", no_args_is_help=True
)


@app.command()
def batch(
    users: Annotated[int, typer.Option(min=1, help="Users of the large job.")] = 100_000,
    scaling_users: Annotated[int, typer.Option(min=1, help="Users of the jobs of one worker and of two.")] = 12_000,
    papers: Annotated[int, typer.Option(min=200, help="Papers that users may like.")] = 10_000,
    as_json: Json = False,
) -> None:
    """Measure a whole re-rank: rows per second, two workers against one, memory. Fails where a budget does not hold."""
    words = [
        "--users",
        str(users),
        "--scaling-users",
        str(scaling_users),
        "--papers",
        str(papers),
        *(["--json"] if as_json else []),
    ]
    raise typer.Exit(_run("batch", words))


def _run(name: str, words: list[str]) -> int:
    """Runs a benchmark; benchmarks are no part of what is installed."""
    from service.domain.errors import InvalidField

    # Not on the path of an installed command; child processes get the path from here.
    sys.path.append(str(Path(__file__).parents[1]))
    try:
        module = importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("benchmarks"):
            raise
        raise InvalidField("bench", "benchmarks come with the sources: run this from a checkout") from error
    code: int = module.main(words)
    return code
