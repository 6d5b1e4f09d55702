"""``paperfeed evaluate``: measure a ranker offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.destination import check_file
from cli.models.dates import parse_day
from cli.models.evaluation_table import tables
from cli.options import EmbeddingCache, Json, RecipeName
from cli.output import console, show, staged_progress, warn, write_page

if TYPE_CHECKING:
    from training.evaluation import Plan


def evaluate(
    papers: Annotated[Path, typer.Option(help="Papers as JSON Lines; may be gzipped.", exists=True, dir_okay=False)],
    interactions: Annotated[Path, typer.Option(help="Events as CSV; may be gzipped.", exists=True, dir_okay=False)],
    protocol: Annotated[
        str,
        typer.Option(
            help="How to split the data: cold-items (new papers) or weekly-digest (a week's papers per query)."
        ),
    ],
    seeds: Annotated[
        str,
        typer.Option(
            help="Random seeds with commas between them. cold-items runs once per seed; weekly-digest uses the first."
        ),
    ] = "1,2,3,4,5",
    first: Annotated[
        str, typer.Option("--from", help="First day on which a week of weekly-digest may begin, YYYY-MM-DD.")
    ] = "2018-01-01",
    last: Annotated[
        str, typer.Option("--to", help="Last day on which a week of weekly-digest may begin, YYYY-MM-DD.")
    ] = "2018-12-31",
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
    """Measure a ranker against baselines on what users really liked."""
    from data_sets.files import embed, read_files
    from ranker.blas import use_one_thread
    from ranker.bundle.bundle import default_bundle_path, load_bundle
    from service.bootstrap import make_encoder
    from service.config import Settings
    from service.domain.errors import InvalidField
    from training.evaluation import Plan
    from training.evaluation import evaluate as run_evaluation
    from training.report import evaluation_page

    use_one_thread()
    if bundle is not None and retrain:
        raise InvalidField("retrain", "cannot be given together with --bundle")
    plan = Plan(
        protocol=protocol,
        seeds=_seeds(seeds),
        first_day=parse_day("from", first),
        last_day=parse_day("to", last),
        recipe=recipe,
        retrain=retrain,
        masked_families=tuple(dict.fromkeys(mask_family or ())),
        train_without=tuple(dict.fromkeys(train_without or ())),
        max_users=max_users,
        workers=workers,
    )
    _check(plan)
    if report is not None:
        check_file("report", report)
    if plan.train_without and (bundle is not None or (protocol == "weekly-digest" and not retrain)):
        raise InvalidField("train-without", "applies to training: give --retrain, not --bundle")
    encoder = make_encoder(Settings.read(embedding_cache=embedding_cache))
    try:
        trains = bundle is None and (retrain or protocol == "cold-items")
        judged = None if trains else load_bundle(bundle or default_bundle_path(), encoder=encoder.name)
        data = read_files(papers.resolve().parent.name, papers, interactions)
        with staged_progress("embedding") as progress:
            dataset = embed(data, encoder, with_titles=trains, progress=progress, warn=warn)
    finally:
        encoder.close()
    with staged_progress("evaluating") as progress:
        result = run_evaluation(dataset, plan, bundle=judged, encoder_name=encoder.name, progress=progress)
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


def _seeds(text: str) -> tuple[int, ...]:
    from service.domain.errors import InvalidField

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise InvalidField("seeds", f"{text!r} is not a list of whole numbers such as 1,2,3")
    found = tuple(int(part) for part in parts)
    if len(set(found)) < len(found):
        raise InvalidField("seeds", f"{text!r} names a seed twice")
    return found
