"""Fits all spaces of a training run: those of the bundle, of the folds, and of the other data sets."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ranker.spaces.spaces import Spaces
from training.data.cross_fitting import NO_FOLD, Folds
from training.data.snapshot import Dataset, Likes
from training.progress import Progress
from training.recipes import Recipe
from training.spaces.colike_fitting import fit_co_likes
from training.spaces.space_fitting import LikedPapers, fit_spaces, with_factors


@dataclass(frozen=True)
class LearnedSpaces:
    """Spaces whose maps are fitted on different likes.

    Attributes:
        bundle: The map is fitted on all likes.
        folds: By fold, spaces whose map has not seen the answers of the fold's queries; ``NO_FOLD`` has no map.
        foreign: For each data set the spaces fitted on the other data sets; None where there is no other.
    """

    bundle: Spaces
    folds: Mapping[int, Spaces]
    foreign: tuple[Spaces | None, ...]


def learn_spaces(
    datasets: Sequence[Dataset], folds: Sequence[Folds], recipe: Recipe, seed: int, progress: Progress
) -> LearnedSpaces:
    """Fit all spaces; deterministic in its arguments."""
    from training.spaces.factor_fitting import fit_factors  # noqa: PLC0415 (two seconds to import)

    others = [[other for other in datasets if other is not dataset] for dataset in datasets]
    fold_count = max(len(part) for part in folds)
    step_count = recipe.factors.steps * (fold_count + 1 + sum(map(bool, others)))
    starts = itertools.count(0, recipe.factors.steps)

    def complete(base: Spaces, datasets: Sequence[Dataset], visible: Sequence[Likes]) -> Spaces:
        """Return the spaces with the map and co-likes of the visible likes, and with the background."""
        parts = [LikedPapers(base.matrix(own.papers), likes) for own, likes in zip(datasets, visible, strict=True)]
        start = next(starts)

        def report(done: int) -> None:
            progress("factors", start + done, step_count)

        factor_map = fit_factors(parts, recipe.factors, seed, recipe.thread_count, report)
        spaces = with_factors(base, datasets, factor_map, recipe.background_count)
        if factor_map is None:
            return spaces
        mapped = [LikedPapers(spaces.mapped(part.papers), part.likes) for part in parts]
        return replace(spaces, co_likes=fit_co_likes(mapped, recipe.co_likes, seed))

    def on_all_likes(datasets: Sequence[Dataset]) -> Spaces:
        base = fit_spaces(datasets, recipe.whitening_damping, recipe.topic_count)
        return complete(base, datasets, [dataset.likes for dataset in datasets])

    base = fit_spaces(datasets, recipe.whitening_damping, recipe.topic_count)
    found = {NO_FOLD: with_factors(base, datasets, None, recipe.background_count)}
    for fold in range(fold_count):
        # A data set with fewer folds than another repeats its last fold, which no query of it uses.
        found[fold] = complete(base, datasets, [part.visible[min(fold, len(part) - 1)] for part in folds])
    return LearnedSpaces(
        bundle=complete(base, datasets, [dataset.likes for dataset in datasets]),
        folds=found,
        foreign=tuple(on_all_likes(part) if part else None for part in others),
    )
