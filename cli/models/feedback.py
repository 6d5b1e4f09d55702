"""``paperfeed train --feedback``: a bundle from the slates that were served and what readers did with them."""

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
    """Trains and prints what came of it."""
    from datasets.slates import read_slates
    from training.dates import END_OF_TIME
    from training.feedback.learn import learn_from_slates
    from training.recipes import find_recipe

    chosen = find_recipe(recipe)
    bundle = serving_bundle(settings, base)
    before = day_limit("until", until, END_OF_TIME)
    with staged_progress("training") as progress:
        log = read_slates(settings.db, bundle, until=before, shown_only=True, progress=progress, warn=warn)
        report = learn_from_slates(
            log, bundle, out, recipe=chosen, seed=seed, position_bias=position_bias, progress=progress
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


def refuse_with_feedback(**options: object) -> None:
    """Options that have no meaning with --feedback.

    Raises:
        InvalidField: One was given.
    """
    _refuse(options, "cannot be given together with --feedback")


def refuse_without_feedback(**options: object) -> None:
    """Options that have a meaning with --feedback alone.

    Raises:
        InvalidField: One was given.
    """
    _refuse(options, "needs --feedback")


def serving_bundle(settings: "Settings", path: Path | None) -> "Bundle":
    """The bundle in the folder, or the one that the settings serve; whatever its encoder, as nothing is encoded."""
    from ranker.bundle.bundle import default_bundle_path, load_bundle

    configured = Path(settings.bundle).expanduser() if settings.bundle else default_bundle_path()
    return load_bundle(path or configured, encoder=None)


def examination_in_words(examination: dict[str, Any]) -> str:
    """How far down readers read."""
    if not examination["reactions"]:
        return f"place k is taken to be read with probability k**-{examination['exponent']:g}, as given"
    low, high, reactions = (examination[name] for name in ("low", "high", "reactions"))
    return (
        f"place k is read with probability k**-{examination['exponent']:.2f} ({low:.2f} to {high:.2f}), "
        f"by {reactions} reactions at explored places"
    )


def _refuse(options: dict[str, object], problem: str) -> None:
    from service.domain.errors import InvalidField

    for name, value in options.items():
        if value is not None and value != []:
            raise InvalidField(name.replace("_", "-"), problem)


def _in_words(report: "FeedbackReport", base: "Bundle", out: Path) -> str:
    figures = report.metrics
    trees = "on top of its trees" if report.grown_on_base else "with all trees anew"
    return "\n".join(
        (
            f"{out}: {report.manifest.version}",
            f"grown from {base.version}, {trees}",
            f"{figures['slates']:.0f} slates, {figures['readers']:.0f} readers, {figures['reactions']:.0f} reactions",
            examination_in_words(vars(report.examination)),
            f"nDCG@10 on readers held out: {figures['ndcg@10']:.4f}, before {figures['base_ndcg@10']:.4f}",
        )
    )
