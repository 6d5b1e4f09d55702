"""``paperfeed train``: train a model bundle."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.batch.cluster import SCHEDULER_HELP, Workers, announced_cluster, check_scheduler
from cli.destination import check_file, check_new
from cli.models.dates import day_limit
from cli.models.feedback import learn, refuse
from cli.models.sources import read_datasets
from cli.observed import job
from cli.options import EmbeddingCache, Export, Json, RecipeName, StoredDb
from cli.output import show, staged_progress, warn, write_page

if TYPE_CHECKING:
    from data_sets.files import FileData
    from training import TrainingReport
    from training.recipes import Recipe


@job("train")
def train(
    recipe: RecipeName = "default",
    papers: Annotated[
        list[Path] | None,
        typer.Option(help="Papers as JSON Lines. Repeat it for more data sets. Default: the public data."),
    ] = None,
    interactions: Annotated[
        list[Path] | None, typer.Option(help="Events as CSV; one per --papers, in the same order.")
    ] = None,
    db: StoredDb = None,
    export: Export = None,
    feedback: Annotated[
        bool,
        typer.Option(
            "--feedback",
            "--from-db",
            help="Train on served slates and the users' reactions to them, not on likes.",
        ),
    ] = False,
    base: Annotated[
        Path | None,
        typer.Option(help="With --feedback: folder of the bundle to improve. Default: the one that serves."),
    ] = None,
    position_bias: Annotated[
        float | None,
        typer.Option(
            min=0, max=3, help="With --feedback: assume users look at place k with probability k**-X. Default: learned."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="Ignore everything dated on or after this day. Default: no limit, except on the public data."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="New folder for the bundle; it must not exist yet.")] = Path("out/bundle"),
    query_limit: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of training queries per data set. Default: set by the recipe."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed and data give the same bundle.", min=0)] = 0,
    scheduler: Annotated[
        str | None, typer.Option(help=f"Train on a Dask cluster. {SCHEDULER_HELP} Default: train in this process.")
    ] = None,
    workers: Workers = None,
    report: Annotated[
        Path | None,
        typer.Option(help="HTML page about what was learned. Default: the bundle's name with -report.html."),
    ] = None,
    embedding_cache: EmbeddingCache = None,
    as_json: Json = False,
) -> None:
    """Train a model bundle on files of papers and events, on a service's database or export, or on users' feedback.

    Files, a database and an export may be given together.
    """
    from ranker.blas import use_one_thread
    from service.config import Settings
    from training.report import training_page

    use_one_thread()
    if scheduler is None:
        refuse("needs --scheduler", workers=workers)
    else:
        check_scheduler(scheduler, workers)
    settings = Settings.read(db=db if feedback else None, embedding_cache=embedding_cache)
    page = report or out.with_name(f"{out.name}-report.html")
    check_new("out", out)
    if feedback:
        refused = {
            "papers": papers,
            "interactions": interactions,
            "report": report,
            "scheduler": scheduler,
            "export": export,
        }
        refuse("cannot be given together with --feedback", **refused, query_limit=query_limit)
        learn(settings, base, out, recipe=recipe, until=until, position_bias=position_bias, seed=seed, as_json=as_json)
        return
    check_file("report", page)
    refuse("needs --feedback", base=base, position_bias=position_bias)
    is_own_data = db is not None or export is not None or bool(papers)
    chosen = _recipe(recipe, until, query_limit, is_own_data=is_own_data)
    files = _files(papers, interactions, None if is_own_data else Path(settings.data))
    # The cluster is opened first: if it does not answer, no hour is spent on embedding.
    with _trainer(scheduler, workers) as run_training:
        read = _needed(files, chosen, seed)
        encoder_name, datasets = read_datasets(read, db, export, settings, with_titles=True)
        with staged_progress("training") as progress:
            made = run_training(datasets, out, encoder_name=encoder_name, recipe=chosen, seed=seed, progress=progress)
    for name in made.lone_users:
        warn(
            f"{name}: one user alone has a history, so the figures are on a half of this user's likes that was held "
            "out. Exploration teaches nothing yet: set PAPERFEED_EXPLORATION=0 until a second user reacts to feeds"
        )
    write_page(page, training_page(made))
    result: dict[str, Any] = {
        "bundle": str(out),
        "report": str(page),
        "version": made.manifest.version,
        "recipe": recipe,
        "metrics": {name: dict(figures) for name, figures in made.metrics.items()},
    }
    lines = [f"{out}: {made.manifest.version}", str(page), "held-out users:"]
    for name, figures in result["metrics"].items():
        lines.append(f"  {name}: {', '.join(f'{metric} {value:.4g}' for metric, value in figures.items())}")
    show(result, as_json=as_json, text="\n".join(lines))


@contextmanager
def _trainer(scheduler: str | None, workers: int | None) -> "Iterator[Callable[..., TrainingReport]]":
    """Yield the function that trains: in this process, or on a cluster that is open as long as the context."""
    if scheduler is None:
        from training.train import train as in_process

        yield in_process
        return
    from batch.train.coordinator import train as on_cluster

    with announced_cluster(scheduler, workers) as cluster:
        yield partial(on_cluster, cluster)


def _recipe(name: str, until: str | None, query_limit: int | None, *, is_own_data: bool) -> "Recipe":
    """Return the recipe with these limits. Its time limit hides the test year of the public data, and only there."""
    from training.dates import END_OF_TIME
    from training.recipes import find_recipe

    recipe = find_recipe(name)
    if query_limit is not None:
        recipe = replace(recipe, dated_query_limit=query_limit, undated_query_limit=query_limit)
    no_limit = END_OF_TIME if is_own_data else recipe.known_until
    return replace(recipe, known_until=day_limit("until", until, no_limit))


def _needed(files: dict[str, tuple[Path, Path]], recipe: "Recipe", seed: int) -> list["FileData"]:
    """Return what training needs of the files. All of them are checked before anything is embedded."""
    from data_sets.files import needed, read_files

    read = [read_files(name, *pair) for name, pair in files.items()]
    for data, (_, interactions) in zip(read, files.values(), strict=True):
        if data.unknown_count:
            warn(f"{interactions}: {data.unknown_count} of {data.event_count} events are on unknown papers")
    return [
        needed(data, until=recipe.known_until, paper_limit=recipe.paper_limit, seed=seed, warn=warn) for data in read
    ]


def _files(
    papers: list[Path] | None, interactions: list[Path] | None, data: Path | None
) -> dict[str, tuple[Path, Path]]:
    """Return the files of papers and events by name of data set.

    Args:
        data: Folder of the public data sets, used if no files are given; None if they are not wanted.
    """
    from data_sets.files import PUBLIC_DATA, public_files
    from service.domain.errors import InvalidField

    papers, interactions = papers or [], interactions or []
    if len(papers) != len(interactions):
        raise InvalidField("interactions", f"is given {len(interactions)} times, but --papers {len(papers)} times")
    if data is None or papers:
        pairs = enumerate(zip(papers, interactions, strict=True))
        return {f"{i}-{pair[0].name.partition('.')[0]}": pair for i, pair in pairs}
    found = {name: public_files(data, name) for name in PUBLIC_DATA}
    for file in (file for pair in found.values() for file in pair):
        if not file.exists():
            raise InvalidField("papers", f"is missing, and so is the public data: no file {file}; set PAPERFEED_DATA")
    return found
