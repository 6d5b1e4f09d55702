"""``paperfeed estimate``: judge a bundle by the slates that were served."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cli.models.dates import day_limit
from cli.models.feedback import bundle_to_judge, examination_in_words
from cli.options import Db, Json, PositionBias
from cli.output import show, staged_progress, warn

if TYPE_CHECKING:
    from training.feedback.off_policy import Estimates

_NAMES = {
    "served": "the slates as served",
    "ips": "this bundle, inverse propensity weights",
    "snips": "this bundle, self-normalised weights",
    "dr": "this bundle, doubly robust",
}


def estimate(
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the bundle to judge. Default: PAPERFEED_BUNDLE, then the one shipped.", exists=True
        ),
    ] = None,
    db: Db = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First day of the slates to use, YYYY-MM-DD. Default: no limit.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Use only slates and reactions before this day, YYYY-MM-DD. Default: no limit.")
    ] = None,
    position_bias: PositionBias = None,
    as_json: Json = False,
) -> None:
    """Estimate how many reactions a bundle would have earned on the slates that were served.

    Nobody is shown anything: the estimate uses the stored slates and what users did with them (off-policy evaluation).
    """
    from data_sets.slates import read_slates
    from ranker.blas import use_one_thread
    from service.config import Settings
    from training.dates import END_OF_TIME, START_OF_TIME
    from training.feedback.examination import Examination, estimate_examination
    from training.feedback.learn import check_reactions
    from training.feedback.off_policy import estimate_value

    use_one_thread()
    settings = Settings.read(db=db)
    judged = bundle_to_judge(settings, bundle)
    since, before = day_limit("from", first, START_OF_TIME), day_limit("until", until, END_OF_TIME)
    with staged_progress("estimating") as progress:
        log = read_slates(
            settings.db, judged, since=since, until=before, shown_only=False, progress=progress, warn=warn
        )
    check_reactions(log)
    examination = estimate_examination(log) if position_bias is None else Examination.given(position_bias)
    scores = judged.model.scores(log.features, judged.model.leaves(log.features))
    found = estimate_value(log, scores, examination)
    result = {"bundle": judged.version, "left_out": dict(log.left_out), **_as_dict(found)}
    show(result, as_json=as_json, text=_notes(result), tables=[_table(judged.version, found)])


def _as_dict(found: "Estimates") -> dict[str, Any]:
    return {
        "slates": found.slates,
        "readers": found.users,
        "reactions": found.reactions,
        "examination": vars(found.examination),
        "values": {name: interval.as_dict() for name, interval in found.values.items()},
        "differences": {name: interval.as_dict() for name, interval in found.differences.items()},
        "unsupported_share": round(found.unsupported_share, 4),
        "effective_slates": round(found.effective_slates, 1),
        "greatest_weight": round(found.greatest_weight, 2),
    }


def _table(version: str, found: "Estimates") -> Table:
    table = Table("reactions per slate", "estimate", "95 %", "difference to served", "95 %", title=version)
    for name, words in _NAMES.items():
        value, difference = found.values[name], found.differences.get(name)
        row = [words, f"{value.mean:.3f}", f"{value.low:.3f} to {value.high:.3f}"]
        if difference is not None:
            row += [f"{difference.mean:+.3f}", f"{difference.low:+.3f} to {difference.high:+.3f}"]
        table.add_row(*row)
    return table


def _notes(result: dict[str, Any]) -> str:
    return (
        f"{result['slates']} slates of {result['readers']} users with {result['reactions']} reactions, worth "
        f"{result['effective_slates']:.0f} slates for this bundle; {examination_in_words(result['examination'])}.\n"
        f"{100 * result['unsupported_share']:.1f} % of the expected views would go to papers that were never shown."
    )
