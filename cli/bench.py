"""``paperfeed bench``: the speed budgets, each against a floor measured in the same run."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Db, Json

app = typer.Typer(
    help="Measure speed against what it cannot beat; from a checkout of the sources.", no_args_is_help=True
)


@app.command()
def serve(
    db: Db = None,
    clients: Annotated[int, typer.Option(min=1, help="Clients at the same time.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of each round of all clients.")] = 4.0,
    as_json: Json = False,
) -> None:
    """Measure GetFeed against a bare gRPC server that runs the reference model. Fails where a budget does not hold.

    The database is a new SQLite file, or a new schema on the PostgreSQL server that --db names.
    """
    words = ["--clients", clients, "--seconds", seconds, *(["--db", db] if db else [])]
    raise typer.Exit(_run("serving.serve", words, as_json))


@app.command()
def embed(
    papers: Annotated[int, typer.Option(min=1, help="Papers embedded in each round.")] = 128,
    as_json: Json = False,
) -> None:
    """Measure papers per second against SentenceTransformer.encode alone. Fails where the budget does not hold."""
    raise typer.Exit(_run("jobs.embed", ["--papers", papers], as_json))


@app.command()
def batch(
    users: Annotated[int, typer.Option(min=1, help="Users of the large job.")] = 100_000,
    scaling_users: Annotated[int, typer.Option(min=1, help="Users of the jobs of one worker and of two.")] = 12_000,
    papers: Annotated[int, typer.Option(min=200, help="Papers that users may like.")] = 10_000,
    as_json: Json = False,
) -> None:
    """Measure a whole re-rank: rows per second, two workers against one, memory. Fails where a budget does not hold."""
    words = ["--users", users, "--scaling-users", scaling_users, "--papers", papers]
    raise typer.Exit(_run("jobs.batch", words, as_json))


def _run(name: str, words: Sequence[object], as_json: bool) -> int:
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
    code: int = module.main([*map(str, words), *(["--json"] if as_json else [])])
    return code
