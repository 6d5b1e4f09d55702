"""``paperfeed models judge``: promote a canary, take it back, or let it run on."""

import datetime as dt
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.models.check import checks_table
from cli.models.opened import Opened, opened_registry
from cli.options import Db, Json, PositionBias
from cli.output import show, staged_progress, warn

if TYPE_CHECKING:
    from service.domain.models import Canary, ModelLogEntry
    from training.judgement.calls import Calls
    from training.judgement.judge import Facts, Judgement
    from training.judgement.rules import JudgementRules


@dataclass(frozen=True)
class Options:
    """The options of a judgement.

    Attributes:
        metrics: URLs of metrics pages.
        position_bias: Exponent of the examination propensities; None learns it.
    """

    rules: "JudgementRules"
    metrics: tuple[str, ...]
    position_bias: float | None
    force: bool
    dry_run: bool
    actor: str


def judge(
    db: Db = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="URL of a server's metrics, such as http://localhost:9464/metrics. Repeat it for every server. "
            "Without it, errors and latency are not measured."
        ),
    ] = None,
    position_bias: PositionBias = None,
    rules: Annotated[
        Path | None, typer.Option(help="TOML file with rules that replace shipped ones.", exists=True, dir_okay=False)
    ] = None,
    watch: Annotated[
        float | None, typer.Option(min=1, help="Judge again after this many seconds, until the command is stopped.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote also a canary whose gate has not passed. The log says so.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the verdict and change nothing.")] = False,
    actor: Annotated[str, typer.Option(help="Who judges, for the log of the registry.")] = "paperfeed models judge",
    as_json: Json = False,
) -> None:
    """Compare the canary with the serving bundle on what users did, and promote it, take it back, or wait.

    It may run as often as wanted: its intervals hold at all looks together. Exit code 0, whatever the verdict.
    """
    from service.config import Settings
    from training.judgement.rules import JudgementRules

    settings = Settings.read(db=db)
    options = Options(JudgementRules.read(rules), tuple(metrics or ()), position_bias, force, dry_run, actor)
    with opened_registry(settings) as opened:
        if watch is None:
            _look(opened, options, as_json=as_json)
        else:
            _watch(opened, options, watch, as_json=as_json)


def _watch(opened: Opened, options: Options, seconds: float, *, as_json: bool) -> None:
    """Look every so many seconds until a signal to stop. A look that fails is tried again at the next one."""
    from cli.models.call_metrics import MetricsUnavailable
    from service.domain.errors import PaperfeedError
    from service.process.stopping import on_stop

    stopping = threading.Event()
    on_stop(lambda _: stopping.set())
    while not stopping.is_set():
        try:
            _look(opened, options, as_json=as_json)
        except (PaperfeedError, MetricsUnavailable) as error:
            warn(f"this look failed: {error}")
        stopping.wait(seconds)


def _look(opened: Opened, options: Options, *, as_json: bool) -> None:
    """Judge once, act on the verdict, and print it."""
    from cli.models.call_metrics import MetricsUnavailable, read_calls
    from training.judgement.judge import Verdict
    from training.judgement.judge import judge as judge_canary

    aliases = opened.registry.aliases()
    if aliases.canary is None or aliases.serving is None:
        show({"canary": None, "verdict": None}, as_json=as_json, text="no canary is running")
        return
    calls, problem = None, None
    if options.metrics:
        try:
            calls = read_calls(options.metrics, aliases.canary.version, aliases.serving)
        except MetricsUnavailable as error:
            problem = error
    found = judge_canary(_facts(opened, aliases.canary, aliases.serving, options, calls), options.rules)
    if problem is not None:
        # A canary may be the reason why a server does not answer. The other checks can still take it back.
        if found.verdict is not Verdict.ROLL_BACK:
            raise problem
        warn(str(problem))
    result: dict[str, Any] = {
        "canary": aliases.canary.version,
        "serving": aliases.serving,
        "share": aliases.canary.share,
        **found.as_dict(),
        "rules": asdict(options.rules),
        "dry_run": options.dry_run,
    }
    if not options.dry_run:
        _act(opened, aliases.canary, found, result, options)
    table = checks_table(f"{aliases.canary.version} against {aliases.serving}", list(found.checks))
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    text = f"{now} {found.verdict.value}{' (nothing changed)' if options.dry_run else ''}"
    show(result, as_json=as_json, text=text, tables=[table])


def _facts(
    opened: Opened, canary: "Canary", serving: str, options: Options, calls: "tuple[Calls, Calls] | None"
) -> "Facts":
    from data_sets.trials import read_trial
    from training.judgement.judge import Facts

    entries = opened.registry.log(canary.version)
    # The experiment is named after the entry that began it.
    number = int(canary.experiment_id.rpartition("/")[2])
    own = [entry for entry in entries if entry.number >= number]
    since = _share_since(own)
    problems = [str(entry.evidence.get("load_failed", "")) for entry in entries if entry.number > number]
    with staged_progress("judging") as progress:
        trial = read_trial(
            opened.store,
            canary=canary.version,
            serving=serving,
            since=since,
            began=own[0].at,
            in_canary=canary.has,
            progress=progress,
        )
    return Facts(
        trial=trial,
        share=canary.share,
        days=(dt.datetime.now(dt.UTC) - since) / dt.timedelta(days=1),
        position_bias=options.position_bias,
        calls=calls,
        load_problem=next(filter(None, reversed(problems)), ""),
    )


def _share_since(entries: "Sequence[ModelLogEntry]") -> dt.datetime:
    """Return when the canary got its present share.

    Slates from before are not compared: users who joined later would be compared at other times than the rest.

    Args:
        entries: Entries of the canary since it began, oldest first.
    """
    since, share = entries[0].at, entries[0].evidence.get("share")
    for entry in entries:
        if entry.evidence.get("share", share) != share:
            since, share = entry.at, entry.evidence["share"]
    return since


def _act(opened: Opened, canary: "Canary", found: "Judgement", evidence: dict[str, Any], options: Options) -> None:
    """Carry out a verdict, unless the experiment has ended meanwhile; the log of the registry gets all figures."""
    from training.judgement.judge import Verdict

    version, experiment = canary.version, canary.experiment_id
    if found.verdict is Verdict.PROMOTE:
        opened.registry.promote(
            version, options.actor, force=options.force, evidence=evidence, experiment_id=experiment
        )
    elif found.verdict is Verdict.ROLL_BACK:
        opened.registry.rollback(version, options.actor, evidence=evidence, experiment_id=experiment)
