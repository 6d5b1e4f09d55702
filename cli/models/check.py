"""``paperfeed models check``: let a bundle through the gate, or not."""

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli.models.dates import day_limit, parse_day
from cli.models.opened import opened_registry
from cli.models.sources import read_datasets
from cli.options import Db, EmbeddingCache, Json, PositionBias
from cli.output import one_line, show, staged_progress, warn

if TYPE_CHECKING:
    from ranker.bundle.bundle import Bundle
    from service.app.models.registry import Registry
    from service.config import Settings
    from training.checks import Check
    from training.data.snapshot import Dataset
    from training.evaluation import Plan
    from training.gate.rules import GateRules
    from training.progress import Progress

EXIT_CODES = {"passed": 0, "failed": 1, "inconclusive": 3}
"""Exit codes by outcome; 2 is wrong usage, as everywhere."""


@dataclass(frozen=True)
class Subject:
    """The bundle to check, and what it is compared with.

    Attributes:
        version: Version in the registry whose outcome is recorded; empty if it is not recorded.
        serving: Folder of the bundle to compare with.
    """

    folder: Path
    version: str
    serving: Path


def check(
    bundle: Annotated[
        str, typer.Argument(metavar="VERSION|FOLDER", help="Version of a registered bundle, or folder of a bundle.")
    ],
    against: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the bundle to compare with; the outcome is then printed only. Default: the one that serves "
            "by the registry, then PAPERFEED_BUNDLE, then the one shipped.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    db: Db = None,
    papers: Annotated[
        Path | None,
        typer.Option(
            help="Held-out papers as JSON Lines. Default: those of the database.", exists=True, dir_okay=False
        ),
    ] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="Events on --papers as CSV.", exists=True, dir_okay=False)
    ] = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="First day of the held-out data and slates, YYYY-MM-DD. Default: the first day that neither bundle "
            "can know.",
        ),
    ] = None,
    max_users: Annotated[int | None, typer.Option(min=2, help="Test this many users, drawn at random.")] = None,
    position_bias: PositionBias = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="TOML file with rules in place of the shipped ones.", exists=True, dir_okay=False),
    ] = None,
    actor: Annotated[
        str, typer.Option(help="Who checks; named in the log of the registry.")
    ] = "paperfeed models check",
    embedding_cache: EmbeddingCache = None,
    as_json: Json = False,
) -> None:
    """Compare a bundle with the one that serves: ranking, latency, size and features. Records the outcome.

    Exit code: 0 passed, 1 failed, 3 inconclusive. The outcome of a folder is printed only.
    """
    from ranker.blas import use_one_thread
    from service.config import Settings
    from service.domain.errors import InvalidField
    from training.checks import overall
    from training.gate.rules import GateRules

    use_one_thread()
    if (papers is None) != (interactions is None):
        missing, given = ("papers", "interactions") if papers is None else ("interactions", "papers")
        raise InvalidField(missing, f"is needed with --{given}")
    settings, limits = Settings.read(db=db, embedding_cache=embedding_cache), GateRules.read(rules)
    start = None if first is None else parse_day("from", first).isoformat()
    with ExitStack() as stack:
        registry: Registry | None = None
        if settings.registry or not Path(bundle).is_dir():
            registry = stack.enter_context(opened_registry(settings)).registry
        subject = _subject(settings, registry, bundle, against)
        with staged_progress("checking") as progress:
            gate = _Gate(settings, limits, subject, progress)
            found = gate.checks((papers, interactions), start, max_users, position_bias)
        outcome = overall(found)
        result: dict[str, Any] = {
            "bundle": gate.version or str(subject.folder),
            "serving": gate.serving.version,
            "outcome": outcome.value,
            "checks": [each.as_dict() for each in found],
            "rules": asdict(limits),
        }
        if registry is not None and subject.version:
            _record(registry, subject.version, outcome.value, result, actor)
    table = checks_table(f"{result['bundle']} against {result['serving']}", found)
    text = f"{outcome.value}{'; recorded in the registry' if subject.version else ''}"
    show(result, as_json=as_json, text=text, tables=[table])
    raise typer.Exit(EXIT_CODES[outcome.value])


def checks_table(title: str, checks: "list[Check]") -> Table:
    """Return the checks as a table for people."""
    table = Table("check", "outcome", "figures", title=title)
    for each in checks:
        # A reason may quote a bundle, which may hold escape sequences and markup.
        reason = escape(one_line(each.reason))
        table.add_row(each.name, each.outcome.value + ("" if each.required else " (not required)"), reason)
    return table


class _Gate:
    """One run of the gate."""

    def __init__(self, settings: "Settings", rules: "GateRules", subject: Subject, progress: "Progress") -> None:
        from ranker.bundle.bundle import load_bundle
        from service.encoder.models import find_model
        from training.gate.bundle_files import loaded

        self._settings, self._rules, self._progress = settings, rules, progress
        self.serving: Bundle = load_bundle(subject.serving, encoder=None)
        self._bundle, self._loading = loaded(subject.folder, find_model(settings.encoder).name)
        self.version = subject.version or ("" if self._bundle is None else self._bundle.version)

    def checks(
        self,
        files: tuple[Path | None, Path | None],
        first_day: str | None,
        max_users: int | None,
        position_bias: float | None,
    ) -> "list[Check]":
        """Return all checks; only that of loading, if it failed."""
        from training.gate.bundle_files import size_check
        from training.gate.held_out import first_unseen_day
        from training.gate.latency import latency_checks
        from training.gate.parity import parity_check

        if self._bundle is None:
            return [self._loading]
        start = first_day or first_unseen_day(self._bundle, self.serving).isoformat()
        return [
            self._loading,
            size_check(self._bundle, self._rules.size),
            parity_check(self._bundle),
            *latency_checks(self._bundle, self.serving, self._rules.latency, self._progress),
            *self._on_data(self._bundle, files, start, max_users),
            self._slates(self._bundle, start, position_bias),
        ]

    def _on_data(
        self, bundle: "Bundle", files: tuple[Path | None, Path | None], start: str, max_users: int | None
    ) -> "list[Check]":
        """Return the checks on held-out data: ranking, and probabilities."""
        from service.domain.errors import StorageUnavailable
        from training.checks import Check, Outcome
        from training.dates import START_OF_TIME
        from training.errors import TrainingError
        from training.evaluation import Plan
        from training.gate.calibration import NAME as CALIBRATION
        from training.gate.calibration import calibration_check
        from training.gate.held_out import NAME, held_out_check

        rules, limits = self._rules.held_out, self._rules.calibration
        try:
            dataset = self._dataset(*files)
        except (TrainingError, StorageUnavailable) as error:
            return [
                Check(name, Outcome.INCONCLUSIVE, str(error), required=required)
                for name, required in ((NAME, rules.required), (CALIBRATION, limits.required))
            ]
        plan = _to_the_end(Plan("weekly-digest", first_day=parse_day("from", start), max_users=max_users), dataset)
        since = day_limit("from", start, START_OF_TIME)
        return [
            held_out_check(dataset, plan, bundle, self.serving, rules, progress=self._progress),
            calibration_check(dataset, bundle, limits, since=since, progress=self._progress),
        ]

    def _dataset(self, papers: Path | None, interactions: Path | None) -> "Dataset":
        from data_sets.files import read_files

        if papers is None or interactions is None:
            _, (dataset,) = read_datasets([], self._settings.db, None, self._settings, with_titles=False)
            return dataset
        files = [read_files(papers.resolve().parent.name, papers, interactions)]
        _, (dataset,) = read_datasets(files, None, None, self._settings, with_titles=False)
        return dataset

    def _slates(self, bundle: "Bundle", start: str, position_bias: float | None) -> "Check":
        from data_sets.slates import read_slates
        from service.domain.errors import StorageUnavailable
        from training.dates import START_OF_TIME
        from training.errors import TrainingError
        from training.gate.slates import no_slates, slates_check

        rules = self._rules.slates
        if bundle.features_version != self.serving.features_version:
            return no_slates("the bundle's features differ from the serving bundle's, whose slates are logged", rules)
        since = day_limit("from", start, START_OF_TIME)
        try:
            log = read_slates(
                self._settings.db, bundle, since=since, shown_only=False, progress=self._progress, warn=warn
            )
        except (TrainingError, StorageUnavailable) as error:
            return no_slates(str(error), rules)
        return slates_check(log, bundle, self.serving, rules, position_bias=position_bias)


def _to_the_end(plan: "Plan", dataset: "Dataset") -> "Plan":
    """Return the plan with the last week of the data as its last."""
    from dataclasses import replace

    from training.evaluation.plan import days_of

    days = days_of(dataset)
    return replace(plan, last_day=days[1] if days else plan.first_day)


def _subject(settings: "Settings", registry: "Registry | None", bundle: str, against: Path | None) -> Subject:
    from service.bootstrap import bundle_folder
    from service.domain.models import ModelState

    is_folder, is_gate = Path(bundle).is_dir(), against is None
    if against is None and registry is not None and (serving := registry.aliases().serving) is not None:
        against = registry.folder_of(serving)
    if against is None:
        against = bundle_folder(settings)
    if is_folder or registry is None:
        return Subject(Path(bundle), "", against)
    state = registry.get(bundle).state
    if state in {ModelState.CANARY, ModelState.SERVING}:
        warn(f"{bundle} is {state.name}: the outcome is printed, and not recorded")
        return Subject(registry.folder_of(bundle), "", against)
    if not is_gate:
        warn("--against: the outcome is printed, and not recorded, because the gate compares with what serves")
        return Subject(registry.folder_of(bundle), "", against)
    return Subject(registry.folder_of(bundle), bundle, against)


def _record(registry: "Registry", version: str, outcome: str, evidence: dict[str, Any], actor: str) -> None:
    """Record the outcome in the registry, with all checks as evidence."""
    from service.domain.models import ModelState

    states = {
        "passed": ModelState.GATED,
        "failed": ModelState.REJECTED,
        "inconclusive": ModelState.INCONCLUSIVE,
    }
    registry.record_gate(version, states[outcome], evidence, actor)
