"""``paperfeed train --feedback``: train a bundle on served slates and on what users did with them."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.models.dates import day_limit
from cli.output import show, staged_progress, warn

if TYPE_CHECKING:
    from ranker.bundle.bundle import Bundle
    from service.config import Settings
    from training.feedback.learn import FeedbackReport


def learn(
    settings: "Settings",
    base: Path | None,
    out: Path,
    *,
    recipe: str,
    until: str | None,
    position_bias: float | None,
    seed: int,
    as_json: bool,
) -> None:
    """Train a bundle on the slates in the database, and print the result."""
    from data_sets.slates import read_slates
    from training.dates import END_OF_TIME
    from training.feedback.learn import learn_from_slates
    from training.recipes import find_recipe

    chosen = find_recipe(recipe)
    bundle = bundle_to_judge(settings, base)
    before = day_limit("until", until, END_OF_TIME)
    taken_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    with staged_progress("training") as progress:
        log = read_slates(settings.db, bundle, until=before, shown_only=True, progress=progress, warn=warn)
        report = learn_from_slates(
            log,
            bundle,
            out,
            recipe=chosen,
            seed=seed,
            position_bias=position_bias,
            taken_at=taken_at,
            until=before,
            progress=progress,
        )
    result: dict[str, Any] = {
        "bundle": str(out),
        "version": report.manifest.version,
        "base": bundle.version,
        "grown_on_base": report.grown_on_base,
        "recipe": recipe,
        "examination": vars(report.examination),
        "left_out": dict(log.left_out),
        "metrics": dict(report.metrics),
    }
    show(result, as_json=as_json, text=_in_words(report, bundle, out))


def refuse(problem: str, **options: object) -> None:
    """Refuse options that have no meaning beside the other options; the problem says why.

    Raises:
        InvalidField: One of the options was given.
    """
    from service.domain.errors import InvalidField

    for name, value in options.items():
        if value is not None and value != []:
            raise InvalidField(name.replace("_", "-"), problem)


def bundle_to_judge(settings: "Settings", folder: Path | None) -> "Bundle":
    """Load the bundle in the folder, or the one that serves with these settings.

    Its encoder is not checked, as no text is embedded.
    """
    from ranker.bundle.bundle import load_bundle
    from service.bootstrap import serving_bundle_folder

    return load_bundle(folder or serving_bundle_folder(settings), encoder=None)


def examination_in_words(examination: dict[str, Any]) -> str:
    """Return how likely users are to look at each place of a slate."""
    if not examination["reactions"]:
        return f"users look at place k with probability k**-{examination['exponent']:g}, as given"
    low, high, reactions = (examination[name] for name in ("low", "high", "reactions"))
    return (
        f"users look at place k with probability k**-{examination['exponent']:.2f} ({low:.2f} to {high:.2f}), "
        f"estimated from {reactions} reactions at explored places"
    )


def _in_words(report: "FeedbackReport", base: "Bundle", out: Path) -> str:
    figures = report.metrics
    trees = "new trees added to the old ones" if report.grown_on_base else "all trees new"
    return "\n".join(
        (
            f"{out}: {report.manifest.version}",
            f"trained from {base.version}, {trees}",
            f"{figures['slates']:.0f} slates, {figures['readers']:.0f} users, {figures['reactions']:.0f} reactions",
            examination_in_words(vars(report.examination)),
            f"nDCG@10 on held-out users: {figures['ndcg@10']:.4f}, before {figures['base_ndcg@10']:.4f}",
        )
    )
