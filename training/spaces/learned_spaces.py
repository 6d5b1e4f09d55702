"""Fits all spaces of a training run: those of the bundle, of the folds, and of the other data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ranker.spaces.factors import FactorMap
from ranker.spaces.spaces import Spaces
from training.data.cross_fitting import NO_FOLD, Folds
from training.data.snapshot import Dataset, Likes
from training.progress import Progress
from training.recipes import Recipe
from training.spaces.colike_fitting import fit_co_likes
from training.spaces.factor_fitting import LikedPapers, fit_factors
from training.spaces.space_fitting import fit_spaces, with_factors


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
    others = [[other for other in datasets if other is not dataset] for dataset in datasets]
    fold_count = max(len(part) for part in folds)
    fit_count = fold_count + 1 + sum(map(bool, others))
    fits = _Fits(recipe, seed, fit_count, progress)
    base = fit_spaces(datasets, recipe.whitening_damping, recipe.topic_count)
    found = {NO_FOLD: with_factors(base, datasets, None, recipe.background_count)}
    for fold in range(fold_count):
        # A data set with fewer folds than another repeats its last fold, which no query of it uses.
        visible = [part.visible[min(fold, len(part) - 1)] for part in folds]
        found[fold] = fits.complete(base, datasets, visible)
    return LearnedSpaces(
        bundle=fits.complete(base, datasets, [dataset.likes for dataset in datasets]),
        folds=found,
        foreign=tuple(fits.foreign(part) for part in others),
    )


class _Fits:
    """Fits maps one after the other and reports the progress."""

    def __init__(self, recipe: Recipe, seed: int, count: int, progress: Progress) -> None:
        self._recipe, self._seed, self._count, self._progress = recipe, seed, count, progress
        self._done = 0

    def complete(self, base: Spaces, datasets: Sequence[Dataset], visible: Sequence[Likes]) -> Spaces:
        """Return the spaces with the map and co-likes of the visible likes, and with the background."""
        parts = [
            LikedPapers(base.matrix(dataset.papers), likes) for dataset, likes in zip(datasets, visible, strict=True)
        ]
        spaces = with_factors(base, datasets, self._map(parts), self._recipe.background_count)
        if spaces.factor_map is None:
            return spaces
        mapped = [LikedPapers(spaces.mapped(part.papers), part.likes) for part in parts]
        return replace(spaces, co_likes=fit_co_likes(mapped, self._recipe.co_likes, self._seed))

    def foreign(self, others: Sequence[Dataset]) -> Spaces | None:
        """Return spaces that are fitted on these data sets alone."""
        if not others:
            return None
        base = fit_spaces(others, self._recipe.whitening_damping, self._recipe.topic_count)
        return self.complete(base, others, [other.likes for other in others])

    def _map(self, parts: Sequence[LikedPapers]) -> FactorMap | None:
        steps = self._recipe.factors.steps

        def report(done: int, total: int) -> None:
            self._progress("factors", self._done * steps + done, self._count * total)

        found = fit_factors(parts, self._recipe.factors, self._seed, self._recipe.thread_count, report)
        self._done += 1
        return found
