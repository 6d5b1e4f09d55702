"""Fits all spaces of a training run: those of the bundle, and those that the training queries of each data set see."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ranker.spaces.factors import FactorMap
from ranker.spaces.spaces import Spaces
from training.data.cross_fitting import NO_FOLD, Folds
from training.data.snapshot import Dataset, Likes
from training.progress import Progress
from training.recipes import Recipe
from training.spaces.space_fitting import LikedPapers, fit_spaces


@dataclass(frozen=True)
class LearnedSpaces:
    """The spaces and factor maps of a training run.

    Attributes:
        bundle: The spaces of the bundle; their map is fitted on all likes.
        priors: For each data set, spaces without a map whose prior is fitted on the other data sets, because a bundle
            has not seen the catalog that it serves; on the data set itself if there is no other.
        maps: By fold, a map that has not seen the answers of the fold's queries. ``NO_FOLD`` has no map.
        foreign_maps: For each data set, the map fitted on the other data sets; None if there is none.
    """

    bundle: Spaces
    priors: tuple[Spaces, ...]
    maps: Mapping[int, FactorMap | None]
    foreign_maps: tuple[FactorMap | None, ...]


def learn_spaces(
    datasets: Sequence[Dataset], folds: Sequence[Folds], recipe: Recipe, seed: int, progress: Progress
) -> LearnedSpaces:
    """Fit all spaces; deterministic in its arguments."""
    others = [[other for other in datasets if other is not dataset] for dataset in datasets]
    spaces = fit_spaces(datasets, recipe.topic_count)
    priors = tuple(fit_spaces(rest or [dataset]) for rest, dataset in zip(others, datasets, strict=True))
    settings = recipe.factors
    if settings is None:
        return LearnedSpaces(spaces, priors, {NO_FOLD: None}, (None,) * len(datasets))
    from training.spaces.factor_fitting import fit_factors  # noqa: PLC0415 (two seconds to import)

    papers = [spaces.matrix(dataset.papers) for dataset in datasets]
    fold_count = max(len(part) for part in folds)
    step_count = settings.steps * (fold_count + 1 + sum(map(bool, others)))
    starts = itertools.count(0, settings.steps)

    def fitted(visible: Sequence[Likes | None]) -> FactorMap | None:
        """Return the map of the visible likes; None stands for a data set that is not used."""
        parts = [LikedPapers(own, likes) for own, likes in zip(papers, visible, strict=True) if likes is not None]
        start = next(starts)

        def report(done: int) -> None:
            progress("factors", start + done, step_count)

        return fit_factors(spaces, parts, settings, seed, recipe.thread_count, report)

    # A data set with fewer folds than another repeats its last fold, which no query of it uses.
    maps = {fold: fitted([part.visible[min(fold, len(part) - 1)] for part in folds]) for fold in range(fold_count)}
    foreign = tuple(
        fitted([None if other is dataset else other.likes for other in datasets]) if rest else None
        for rest, dataset in zip(others, datasets, strict=True)
    )
    whole = fitted([dataset.likes for dataset in datasets])
    return LearnedSpaces(replace(spaces, factor_map=whole), priors, {NO_FOLD: None, **maps}, foreign)
