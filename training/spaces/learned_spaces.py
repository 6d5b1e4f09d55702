"""All spaces of a training run: the bundle's own, those in which its training queries are seen, and foreign ones."""

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
    """Spaces that differ in which likes their map has seen.

    Attributes:
        bundle: The map has seen all likes.
        folds: For each fold the spaces whose map has not seen what the fold's queries ask for; ``NO_FOLD`` has no map.
        foreign: For each data set the spaces fitted on the other data sets; None where there is no other.
    """

    bundle: Spaces
    folds: Mapping[int, Spaces]
    foreign: tuple[Spaces | None, ...]


def learn_spaces(
    datasets: Sequence[Dataset], folds: Sequence[Folds], recipe: Recipe, seed: int, progress: Progress
) -> LearnedSpaces:
    """Fits all spaces; deterministic in its arguments."""
    others = [[other for other in datasets if other is not dataset] for dataset in datasets]
    fold_count = max(len(part) for part in folds)
    fit_count = fold_count + 1 + sum(map(bool, others))
    fits = _Fits(recipe, seed, fit_count, progress)
    base = fit_spaces(datasets, recipe.whitening_damping, recipe.topic_count)
    found = {NO_FOLD: with_factors(base, datasets, None, recipe.background_count)}
    for fold in range(fold_count):
        # A data set with fewer folds than another shows its last again: nothing asks for its queries then.
        visible = [part.visible[min(fold, len(part) - 1)] for part in folds]
        found[fold] = fits.complete(base, datasets, visible)
    return LearnedSpaces(
        bundle=fits.complete(base, datasets, [dataset.likes for dataset in datasets]),
        folds=found,
        foreign=tuple(fits.foreign(part) for part in others),
    )


class _Fits:
    """Fits maps one after the other and says how far it is."""

    def __init__(self, recipe: Recipe, seed: int, count: int, progress: Progress) -> None:
        self._recipe, self._seed, self._count, self._progress = recipe, seed, count, progress
        self._done = 0

    def complete(self, base: Spaces, datasets: Sequence[Dataset], visible: Sequence[Likes]) -> Spaces:
        """The spaces with all that is learned from the visible likes, and the background."""
        parts = [
            LikedPapers(base.matrix(dataset.papers), likes) for dataset, likes in zip(datasets, visible, strict=True)
        ]
        spaces = with_factors(base, datasets, self._map(parts), self._recipe.background_count)
        if spaces.factor_map is None:
            return spaces
        mapped = [LikedPapers(spaces.mapped(part.papers), part.likes) for part in parts]
        return replace(spaces, co_likes=fit_co_likes(mapped, self._recipe.co_likes, self._seed))

    def foreign(self, others: Sequence[Dataset]) -> Spaces | None:
        """All of it learned from these data sets alone."""
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
