"""The report page of ``paperfeed train``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ranker.features import SCHEMA
from ranker.score import Model
from ranker.types import Float64Array
from training.account import DataUsed
from training.evaluation.intervals import Bootstrap
from training.metrics import ndcg
from training.report.calibration_section import calibration_section
from training.report.charts import Row, bars, curve, intervals
from training.report.evaluation_page import figure_row
from training.report.importance import Importance, importances
from training.report.markup import bullets, document, folded, paragraph, section, table, verdict
from training.report.verdict import kind_of, words_of
from training.train import TrainingReport

_MODEL = "the model"
_LIMITS = (
    "The trees were not grown on these users, but early stopping and the choice of the best single feature used them, "
    "so both figures are slightly too good. Use paperfeed evaluate to decide whether to promote the model: it compares "
    "the model with the baselines on papers and weeks that it has not seen."
)
_FEATURES_SHOWN = 25
_BEST_SHOWN = 5


@dataclass(frozen=True)
class _HeldOut:
    """Rankings of one data set's held-out users by the model and by single features.

    Attributes:
        figures: Ranking to nDCG@10, as in an evaluation's result: the model, then the best features, best first.
        difference: The model minus the best feature, also as there.
    """

    name: str
    query_count: int
    figures: dict[str, dict[str, float | None]]
    best_feature: str
    difference: dict[str, float | bool | None]


def training_page(report: TrainingReport) -> str:
    """Return the page of a run; the same run gives the same page except for the times."""
    found = [_held_out(used, report.account.fitted.model) for used in report.account.data]
    parts = [_verdict(report, found), *(_against_features(each) for each in found)]
    parts += [_learning_curve(report), _importance(report)]
    parts += [calibration_section(report.calibrated.measured, report.calibrated.problem)]
    parts += [_data(report), _run(report)]
    return document(f"Training of {report.manifest.version}: what was learned, and how far to trust it", parts)


def _verdict(report: TrainingReport, found: Sequence[_HeldOut]) -> str:
    kinds = [kind_of(each.difference) for each in found]
    worst = "bad" if "bad" in kinds else "open" if "open" in kinds else "good"
    headline = {
        "good": "On held-out users the model clearly beats every single feature",
        "open": "On held-out users the model is not shown to beat its best single feature on every data set",
        "bad": "On held-out users a single feature ranks better than the model",
    }[worst]
    points = [
        f"{each.name}: nDCG@10 is {each.figures[_MODEL]['mean']:.3f}; the best single feature, {each.best_feature}, "
        f"has {each.figures[each.best_feature]['mean']:.3f}; difference {words_of(each.difference)}"
        for each in found
    ]
    return verdict(headline, [*points, _stopped(report), _LIMITS], worst)


def _stopped(report: TrainingReport) -> str:
    fitted = report.account.fitted
    if fitted.tree_count == len(fitted.curve) > 1:
        return f"The last of {fitted.tree_count} trees still helped: a recipe with more trees may be better"
    return f"Early stopping: of {len(fitted.curve)} trees grown, the first {fitted.tree_count} are kept"


def _held_out(used: DataUsed, model: Model) -> _HeldOut:
    rows = used.held_out
    bootstrap = Bootstrap(used.held_out_users, np.zeros(len(rows.group_sizes), dtype=np.intp))
    scores = model.scores(rows.features, model.leaves(rows.features))
    # NaN sorts last in both directions.
    features = rows.features.astype(np.float64) * np.where(np.array(SCHEMA.directions) < 0, -1, 1)
    by_feature = np.stack([_ndcgs(features[:, column], used) for column in range(len(SCHEMA))])
    best = np.argsort(-by_feature.mean(axis=1), kind="stable")[:_BEST_SHOWN]
    replicates = {_MODEL: bootstrap.estimates(_ndcgs(scores, used))}
    replicates |= {SCHEMA.names[column]: bootstrap.estimates(by_feature[column]) for column in best.tolist()}
    best_feature = SCHEMA.names[int(best[0])]
    difference = bootstrap.interval(replicates[_MODEL] - replicates[best_feature])
    return _HeldOut(
        name=used.name,
        query_count=len(rows.group_sizes),
        figures={name: bootstrap.interval(estimates).as_dict() for name, estimates in replicates.items()},
        best_feature=best_feature,
        difference={**difference.as_dict(), "beats": difference.above_zero},
    )


def _ndcgs(scores: Float64Array, used: DataUsed) -> Float64Array:
    """Return (queries,) nDCG@10 of each held-out query."""
    return np.array([ndcg(hits, 10) for hits in used.held_out.hits(scores)])


def _against_features(found: _HeldOut) -> str:
    rows = [figure_row(name, each, "ranker" if name == _MODEL else "baseline") for name, each in found.figures.items()]
    note = (
        f"nDCG@10 on {found.query_count} queries of users that the trees were not grown on, nothing masked, with 95 % "
        "intervals (users resampled): the model, and the single features that rank best alone."
    )
    return section(f"Held-out users: {found.name}", intervals(("ranked by", "nDCG@10"), rows), note=note)


def _learning_curve(report: TrainingReport) -> str:
    fitted = report.account.fitted
    note = (
        "nDCG@10 on the held-out users after each tree, with parts masked at random as in training, weighted as in "
        f"training over all data sets. The dashed line marks the {fitted.tree_count} trees that are kept."
    )
    last = f"{fitted.curve[fitted.tree_count - 1]:.4f} at tree {fitted.tree_count}, the best"
    label = f"nDCG@10 by tree: {fitted.curve[0]:.4f} at tree 1, {last}, {fitted.curve[-1]:.4f} at the last"
    steps = sorted({1, fitted.tree_count, len(fitted.curve), *range(10, len(fitted.curve), 10)})
    rows = [[step, f"{fitted.curve[step - 1]:.4f}"] for step in steps]
    numbers = folded("The curve in numbers", table(["tree", "nDCG@10"], rows))
    return section("Learning curve", curve(fitted.curve, fitted.tree_count, label), numbers, note=note)


def _importance(report: TrainingReport) -> str:
    held_out = [used.held_out.features for used in report.account.data]
    by_feature, by_family = importances(report.account.fitted.model, held_out)
    note = (
        "SHAP: how far a feature moves the scores of held-out rows, up or down. Gain: how much its splits reduced the "
        "loss in training. Both are shares of the total. Features that no held-out user has (follows, trends) have "
        "gain from simulated signals, and no SHAP here. Features with one value for all candidates of a user (profile) "
        "do not order papers by themselves; they strengthen or weaken other features."
    )
    parts = ["<h3>By family</h3>", _shares(by_family, len(by_family.names))]
    count = min(_FEATURES_SHOWN, int((by_feature.shap > 0).sum()))
    parts += [f"<h3>The {count} features with the greatest SHAP</h3>", _shares(by_feature, count)]
    every = [
        [name, _percent(shap), _percent(gain)]
        for name, shap, gain in zip(by_feature.names, by_feature.shap, by_feature.gain, strict=True)
    ]
    parts.append(folded("Every feature in numbers", table(["feature", "SHAP", "gain"], every)))
    return section("Feature importance", *parts, note=note)


def _shares(found: Importance, count: int) -> str:
    """Return a chart of the ``count`` names with the greatest SHAP."""
    order = np.argsort(-found.shap, kind="stable")[:count].tolist()
    rows = [
        Row(found.names[i], f"{_percent(found.shap[i])} SHAP, {_percent(found.gain[i])} gain", float(found.shap[i]))
        for i in order
    ]
    return bars(("", "SHAP (thick) and gain (thin)"), rows, found.gain[order].tolist())


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _data(report: TrainingReport) -> str:
    head = ["data set", "papers", "users", "likes", "training queries", "held-out queries", "fingerprint"]
    rows = [
        [
            *(used.name, used.paper_count, used.user_count, used.like_count, used.learned_queries),
            *(len(used.held_out.group_sizes), used.fingerprint[:16]),
        ]
        for used in report.account.data
    ]
    fingerprint = paragraph(f"Fingerprint of all data together: {report.manifest.fingerprint}")
    lone = [
        paragraph(f"{name}: one user alone has a history. Its held-out queries ask for other likes of the same user.")
        for name in report.lone_users
    ]
    return section(
        "Data", table(head, rows), *lone, fingerprint, note="As training used it: nothing dated after its limit."
    )


def _run(report: TrainingReport) -> str:
    manifest, account = report.manifest, report.account
    facts = [
        f"bundle {manifest.version}, made at {manifest.created_at} for vectors of {manifest.encoder_name}",
        f"recipe {manifest.recipe}, seed {manifest.params['seed']}",
        f"{account.learned_rows} feature rows of {len(SCHEMA)} features",
        f"seconds: {', '.join(f'{stage} {spent:g}' for stage, spent in account.seconds.items())}",
    ]
    chosen = [
        folded(f"{name} in full", table(["parameter", "value"], [[key, str(value)] for key, value in values.items()]))
        for name, values in (("Recipe", manifest.params["recipe"]), ("LightGBM", manifest.params["lightgbm"]))
    ]
    return section("The run", bullets(facts), *chosen)
