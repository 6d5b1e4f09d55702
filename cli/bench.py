"""``paperfeed bench``: run the benchmarks that have a speed budget."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Db, Json
from service.domain.errors import InvalidField

app = typer.Typer(help="Run speed benchmarks. Needs a checkout of the sources.", no_args_is_help=True)


@app.command()
def serve(
    db: Db = None,
    clients: Annotated[int, typer.Option(min=1, help="Number of clients that call at the same time.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds per round of all clients.")] = 4.0,
    as_json: Json = False,
) -> None:
    """Measure GetFeed against a bare gRPC server that runs the same model. Exits with 1 if a budget is exceeded.

    The benchmark uses a new SQLite file, or a new schema on the PostgreSQL server that --db names.
    """
    words = ["--clients", clients, "--seconds", seconds, *(["--db", db] if db else [])]
    raise typer.Exit(_run("serving.serve", words, as_json))


@app.command()
def embed(
    papers: Annotated[int, typer.Option(min=1, help="Number of papers embedded per round.")] = 128,
    as_json: Json = False,
) -> None:
    """Measure embedding against SentenceTransformer.encode, in papers per second. Exits with 1 if it is too slow."""
    raise typer.Exit(_run("jobs.embed", ["--papers", papers], as_json))


@app.command()
def batch(
    users: Annotated[int, typer.Option(min=1, help="Number of users of the large job.")] = 100_000,
    scaling_users: Annotated[
        int, typer.Option(min=1, help="Number of users of the jobs that compare one worker with two.")
    ] = 12_000,
    papers: Annotated[int, typer.Option(min=200, help="Number of papers that users may like.")] = 10_000,
    as_json: Json = False,
) -> None:
    """Measure a whole batch job: rows per second, two workers against one, memory. Exits with 1 if a budget fails."""
    words = ["--users", users, "--scaling-users", scaling_users, "--papers", papers]
    raise typer.Exit(_run("jobs.batch", words, as_json))


def _run(name: str, words: Sequence[object], as_json: bool) -> int:
    """Run a benchmark and return its exit code. Benchmarks are not part of an installed paperfeed."""
    # An installed command does not have the checkout on its path. Child processes inherit the path from here.
    sys.path.append(str(Path(__file__).parents[1]))
    try:
        module = importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("benchmarks"):
            raise
        raise InvalidField("bench", "needs the benchmarks, which only a checkout of the sources has") from error
    code: int = module.main([*map(str, words), *(["--json"] if as_json else [])])
    return code
