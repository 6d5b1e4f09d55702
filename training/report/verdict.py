"""The result of an evaluation in words: what the data show, what they do not show, and the doubts."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

_ENDS = ("mean", "low", "high")
SLICE_NAMES = {"library_size": "likes in the profile", "candidate_count": "candidates"}


class Verdict(NamedTuple):
    """A summary for decision makers.

    Attributes:
        kind: good if the ranker beats every baseline on every metric, bad if a baseline beats it, else open.
    """

    headline: str
    points: tuple[str, ...]
    kind: str


def verdict_of(result: dict[str, Any]) -> Verdict:
    """Return the verdict on the first system of ``paired``, which is the bundle without changes."""
    if not any(result["paired"].values()):
        return Verdict("There is no baseline to compare the ranker with", (), "open")
    ranker = next(iter(result["paired"]))
    points = [
        *_against_best(result, ranker),
        *_on_slices(result, ranker),
        *_variants(result, ranker),
        *(f"Doubt: {text}" for text in result["settings"]["warnings"]),
        *(f"{name} is left out: {reason}" for name, reason in result["skipped"].items()),
    ]
    return Verdict(_headline(ranker, result["paired"][ranker]), tuple(points), _kind(result["paired"][ranker]))


def kind_of(difference: dict[str, Any]) -> str:
    """Return good if the whole interval lies above zero, bad if it lies below, else open."""
    if difference["beats"]:
        return "good"
    return "bad" if difference["high"] is not None and difference["high"] < 0 else "open"


def bounds_of(part: dict[str, Any]) -> str:
    """Return the bounds of a slice, such as: 5 to 10."""
    return f"{part['from']} to {part['to']}" if part["to"] else f"{part['from']} or more"


def words_of(figure: dict[str, Any], sign: str = "+") -> str:
    """Return a difference as text, such as: +0.012 (+0.004 to +0.020); a figure if the sign is an empty text."""
    # Adding 0 turns -0.0 into 0.0.
    mean, *ends = (f"{round(x, 3) + 0.0:{sign}.3f}" for x in (figure[name] for name in _ENDS) if x is not None)
    return f"{mean} ({' to '.join(ends)})" if ends else mean


def _kind(paired: dict[str, Any]) -> str:
    kinds = {kind_of(found) for metrics in paired.values() for found in metrics.values()}
    return "bad" if "bad" in kinds else "good" if kinds == {"good"} else "open"


def _headline(ranker: str, paired: dict[str, Any]) -> str:
    kinds = {name: _kind({name: metrics}) for name, metrics in paired.items()}
    worse, unclear = ([name for name, kind in kinds.items() if kind == wanted] for wanted in ("bad", "open"))
    if not worse and not unclear:
        return f"{ranker} beats every baseline ({len(paired)}) on every metric"
    told = [f"is worse than {_listed(worse)} on some metric"] if worse else []
    told += [f"is not shown to beat {_listed(unclear)} on every metric"] if unclear else []
    beaten = len(paired) - len(worse) - len(unclear)
    return f"{ranker} {' and '.join(told)}; it beats {beaten} of {len(paired)} baselines"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


_MEANING = {"good": "clearly better", "bad": "clearly worse", "open": "the data do not separate them"}


def _against_best(result: dict[str, Any], ranker: str) -> Iterator[str]:
    for baseline, metrics in result["paired"][ranker].items():
        for metric, found in metrics.items():
            if found["best"]:
                means = [result["systems"][name][metric]["mean"] for name in (ranker, baseline)]
                yield (
                    f"{metric}: {means[0]:.3f} against {means[1]:.3f} of {baseline}, the best baseline; "
                    f"{words_of(found)}: {_MEANING[kind_of(found)]}"
                )


def _on_slices(result: dict[str, Any], ranker: str) -> Iterator[str]:
    """Yield points about slices; slices with one user have no interval and are left out."""
    judged = 0
    places: dict[str, list[str]] = {"bad": [], "open": []}
    for kind, parts in result["slices"].items():
        for part in parts:
            outcomes = _outcomes(part["systems"].get(ranker, {}))
            judged += bool(outcomes)
            for outcome, names in places.items():
                metrics = [metric for metric, found in outcomes.items() if found == outcome]
                if metrics:
                    name = f"{bounds_of(part)} {SLICE_NAMES[kind]}"
                    names.append(f"{name} ({', '.join(metrics)}; {part['queries']} queries)")
    if judged and not any(places.values()):
        yield f"On each of {judged} slices it clearly beats the slice's own best baseline, on every metric"
    if places["bad"]:
        yield f"Clearly worse than the best baseline of the slice: {'; '.join(places['bad'])}"
    if places["open"]:
        yield f"Not shown to beat the best baseline of the slice: {'; '.join(places['open'])}"


def _outcomes(found: dict[str, Any]) -> dict[str, str]:
    return {
        metric: kind_of(each["difference"])
        for metric, each in found.items()
        if each["best_baseline"] is not None and each["difference"]["low"] is not None
    }


def _variants(result: dict[str, Any], ranker: str) -> Iterator[str]:
    for name, paired in result["paired"].items():
        if name != ranker:
            yield _headline(name, paired)
