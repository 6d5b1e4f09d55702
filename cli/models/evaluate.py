"""``paperfeed evaluate``: measure a ranker offline."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.destination import check_file
from cli.models.dates import parse_day
from cli.models.evaluation_table import tables
from cli.models.sources import read_datasets
from cli.options import EmbeddingCache, Export, Json, RecipeName, StoredDb
from cli.output import console, show, staged_progress, warn, write_page

if TYPE_CHECKING:
    from training.data.snapshot import Dataset
    from training.evaluation import Plan


def evaluate(
    protocol: Annotated[
        str,
        typer.Option(
            help="How to split the data: cold-items (new papers) or weekly-digest (a week's papers per query)."
        ),
    ],
    papers: Annotated[
        Path | None, typer.Option(help="Papers as JSON Lines; may be gzipped.", exists=True, dir_okay=False)
    ] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="Events as CSV; may be gzipped.", exists=True, dir_okay=False)
    ] = None,
    db: StoredDb = None,
    export: Export = None,
    seeds: Annotated[
        str,
        typer.Option(
            help="Random seeds with commas between them. cold-items runs once per seed; weekly-digest uses the first."
        ),
    ] = "1,2,3,4,5",
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="First day on which a week of weekly-digest may begin, YYYY-MM-DD. Default: the data's first.",
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Last day on which a week of weekly-digest may begin, YYYY-MM-DD. Default: the data's last.",
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Folder of the bundle to judge. Default: the one shipped; cold-items trains a new one."),
    ] = None,
    retrain: Annotated[bool, typer.Option(help="First train a bundle on the data dated before --from.")] = False,
    mask_family: Annotated[
        list[str] | None,
        typer.Option(help="Also judge the ranker with this family of features hidden. May be repeated."),
    ] = None,
    train_without: Annotated[
        list[str] | None, typer.Option(help="Train without this family of features. May be repeated.")
    ] = None,
    recipe: RecipeName = "default",
    max_users: Annotated[
        int | None, typer.Option(min=2, help="Test this many users, drawn at random. Default: all.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of users scored at the same time.")] = 2,
    embedding_cache: EmbeddingCache = None,
    report: Annotated[Path | None, typer.Option(help="Also write the results to this HTML file.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a ranker against baselines on what users really liked.

    The data are files (--papers with --interactions), a service's database (--db) or its export (--export).
    """
    from data_sets.files import read_files
    from ranker.blas import use_one_thread
    from ranker.bundle.bundle import default_bundle_path, load_bundle
    from service.config import Settings
    from service.domain.errors import InvalidField
    from service.encoder.models import find_model
    from training.evaluation import Plan
    from training.evaluation import evaluate as run_evaluation
    from training.report import evaluation_page

    use_one_thread()
    if bundle is not None and retrain:
        raise InvalidField("retrain", "cannot be given together with --bundle")
    plan = Plan(
        protocol=protocol,
        seeds=_seeds(seeds),
        first_day=dt.date.min if first is None else parse_day("from", first),
        last_day=dt.date.max if last is None else parse_day("to", last),
        recipe=recipe,
        retrain=retrain,
        masked_families=tuple(dict.fromkeys(mask_family or ())),
        train_without=tuple(dict.fromkeys(train_without or ())),
        max_users=max_users,
        workers=workers,
    )
    _check(plan)
    _check_source(papers, interactions, db, export)
    if retrain and protocol == "weekly-digest" and first is None:
        raise InvalidField("from", "is needed with --retrain: the bundle is trained on what is dated before that day")
    if report is not None:
        check_file("report", report)
    if plan.train_without and (bundle is not None or (protocol == "weekly-digest" and not retrain)):
        raise InvalidField("train-without", "applies to training: give --retrain, not --bundle")
    settings = Settings.read(embedding_cache=embedding_cache)
    trains = bundle is None and (retrain or protocol == "cold-items")
    # Loaded first: no hour is spent on embedding for a bundle that does not fit.
    judged = None if trains else load_bundle(bundle or default_bundle_path(), encoder=find_model(settings.encoder).name)
    files = [read_files(papers.resolve().parent.name, papers, interactions)] if papers and interactions else []
    encoder, (dataset,) = read_datasets(files, db, export, settings, with_titles=trains)
    plan = _dated(plan, dataset)
    with staged_progress("evaluating") as progress:
        result = run_evaluation(dataset, plan, bundle=judged, encoder_name=encoder, progress=progress)
    for data in files:
        total, unknown = data.event_count, data.unknown_count
        result["settings"]["data"] |= {"events": total, "events_on_unknown_papers": unknown}
        if unknown:
            result["settings"]["warnings"].append(f"{unknown} of {total} events are on unknown papers")
    for text in result["settings"]["warnings"]:
        warn(text)
    if report is not None:
        write_page(report, evaluation_page(result))
    if as_json:
        show(result, as_json=True, text="")
    else:
        console.print(*tables(result), sep="\n")


def _check(plan: "Plan") -> None:
    """Check the parts of a plan that do not depend on the data.

    Raises:
        InvalidField: Names the option.
        TrainingError: There is no such recipe.
    """
    from ranker.features import SCHEMA
    from service.domain.errors import InvalidField
    from training.evaluation import PROTOCOLS
    from training.recipes import find_recipe

    if plan.protocol not in PROTOCOLS:
        raise InvalidField("protocol", f"{plan.protocol!r} is not one of {', '.join(PROTOCOLS)}")
    for option, families in (("mask-family", plan.masked_families), ("train-without", plan.train_without)):
        for family in families:
            if family not in SCHEMA.families:
                raise InvalidField(option, f"{family!r} is not one of {', '.join(SCHEMA.families)}")
    if plan.first_day > plan.last_day:
        raise InvalidField("from", f"{plan.first_day} is after --to {plan.last_day}")
    find_recipe(plan.recipe)


def _check_source(papers: Path | None, interactions: Path | None, db: str | None, export: Path | None) -> None:
    """Check that there is one source of data.

    Raises:
        InvalidField: Names the option.
    """
    from service.domain.errors import InvalidField

    if (papers is None) != (interactions is None):
        missing, given = ("papers", "interactions") if papers is None else ("interactions", "papers")
        raise InvalidField(missing, f"is needed with --{given}")
    if sum(source is not None for source in (papers, db, export)) != 1:
        raise InvalidField("papers", "give one source: --papers with --interactions, --db, or --export")


def _dated(plan: "Plan", dataset: "Dataset") -> "Plan":
    """Return the plan with the weeks of the data in place of days that were not given."""
    from training.evaluation.plan import days_of

    first, last = days_of(dataset) or (plan.first_day, plan.last_day)
    return replace(
        plan,
        first_day=first if plan.first_day == dt.date.min else plan.first_day,
        last_day=last if plan.last_day == dt.date.max else plan.last_day,
    )


def _seeds(text: str) -> tuple[int, ...]:
    from service.domain.errors import InvalidField

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise InvalidField("seeds", f"{text!r} is not a list of whole numbers such as 1,2,3")
    found = tuple(int(part) for part in parts)
    if len(set(found)) < len(found):
        raise InvalidField("seeds", f"{text!r} names a seed twice")
    return found
