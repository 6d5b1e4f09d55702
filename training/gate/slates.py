"""Compares two bundles by what the logged slates say they would have earned (off-policy evaluation)."""

from ranker.bundle.bundle import Bundle
from ranker.types import Float64Array
from training.checks import Check, Outcome
from training.errors import TrainingError
from training.feedback.examination import Examination, estimate_examination
from training.feedback.learn import check_reactions
from training.feedback.log import SlateLog
from training.feedback.off_policy import estimate_difference, estimate_value
from training.gate.held_out import interval_check
from training.gate.rules import SlateRules

NAME = "logged slates"


def slates_check(
    log: SlateLog, bundle: Bundle, serving: Bundle, rules: SlateRules, *, position_bias: float | None = None
) -> Check:
    """Compare the estimated reactions per slate of both bundles' orders, paired on the same slates.

    Passed or failed only if the self-normalised and the doubly robust estimate agree on it.

    Args:
        log: Slates whose features have the ``features_version`` of both bundles, with all their papers.
        position_bias: Exponent of the examination propensities; None learns it from the log.
    """
    try:
        check_reactions(log)
        examination = estimate_examination(log) if position_bias is None else Examination.given(position_bias)
        scores = _scores(bundle, log)
        value = estimate_value(log, scores, examination)
        differences = estimate_difference(log, scores, _scores(serving, log), examination)
    except TrainingError as error:
        return Check(NAME, Outcome.INCONCLUSIVE, str(error), required=rules.required)
    margin = rules.largest_loss * value.values["served"].mean
    figures: dict[str, object] = {
        "slates": value.slates,
        "users": value.users,
        "reactions": value.reactions,
        "effective_slates": round(value.effective_slates, 1),
        "unsupported_share": round(value.unsupported_share, 4),
        "examination": vars(examination),
        "values": {name: interval.as_dict() for name, interval in value.values.items()},
        "differences": {name: interval.as_dict() for name, interval in differences.items()},
        "accepted_loss": round(margin, 6),
    }
    if value.effective_slates < rules.least_effective_slates:
        reason = (
            f"the log is worth {value.effective_slates:.0f} slates for this bundle; "
            f"{rules.least_effective_slates:g} are needed"
        )
        return Check(NAME, Outcome.INCONCLUSIVE, reason, figures, rules.required)
    deciding = [differences[name] for name in ("snips", "dr")]
    words = f"reactions per slate {differences['dr'].mean:+.4f} to the serving bundle"
    # The least favourable end of both: then both estimates have to agree.
    interval = min(each.low for each in deciding), max(each.high for each in deciding)
    words += f" ({interval[0]:+.4f} to {interval[1]:+.4f})"
    return interval_check(NAME, words, interval, margin, figures, required=rules.required)


def no_slates(reason: str, rules: SlateRules) -> Check:
    """Return the check where no logged slate can be used."""
    return Check(NAME, Outcome.INCONCLUSIVE, reason, required=rules.required)


def _scores(bundle: Bundle, log: SlateLog) -> Float64Array:
    return bundle.model.scores(log.features, bundle.model.leaves(log.features))
