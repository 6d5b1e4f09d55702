"""The papers of a data set as training queries see them, in spaces with the statistics of a catalog of some size."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ranker.papers import PaperColumns
from ranker.spaces.factors import FactorMap
from ranker.spaces.linear import unit_rows
from ranker.spaces.spaces import PaperMatrix, Spaces
from ranker.spaces.sparse import SparseRows
from ranker.spaces.statistics import CorpusStatistics, count_corpus, count_terms
from ranker.types import Float32Array, IndexArray
from training.data.simulation import Crowd
from training.data.snapshot import Dataset
from training.data.weeks import start_of


@dataclass(frozen=True)
class Catalog:
    """The catalog of a service that a query is asked of.

    Attributes:
        week: Number of the query's week: the catalog holds papers from before it. -1: papers of any time.
        fold: Fold of the factor map; see ``training.data.cross_fitting``.
        size: Number of papers, drawn at random; None means all.
        is_foreign: Whether the factor map is fitted on the other data sets.
        seed: Seed of the draw.
    """

    week: int
    fold: int
    size: int | None = None
    is_foreign: bool = False
    seed: int = 0


class DatasetPapers:
    """The papers of a data set with counted terms, whole and, where there are title vectors, by title.

    Args:
        prior: Spaces without a map, see ``LearnedSpaces.priors``.
        maps: Factor maps by fold.
        foreign_map: The map fitted on the other data sets; None uses the fold's map in its place.
    """

    def __init__(
        self, dataset: Dataset, prior: Spaces, maps: Mapping[int, FactorMap | None], foreign_map: FactorMap | None
    ) -> None:
        # Upvotes without a time were counted long after the likes.
        papers = replace(dataset.papers, upvotes=np.full(len(dataset.papers), np.nan))
        self._shown: dict[bool, tuple[PaperColumns, SparseRows]] = {False: (papers, count_terms(papers.texts))}
        if dataset.title_embeddings is not None:
            titles = replace(papers, texts=papers.titles, embeddings=dataset.title_embeddings)
            self._shown[True] = titles, count_terms(titles.texts)
        self.crowd = Crowd(dataset)
        self._units: Float32Array = unit_rows(papers.embeddings)
        self._appeared_at = dataset.appeared_at
        self._user_codes = dataset.user_codes
        self._prior, self._maps, self._foreign_map = prior, maps, foreign_map
        # Most queries of a week have the same candidates.
        self._recent = lru_cache(maxsize=8)(self._gathered)
        self._spaces = lru_cache(maxsize=4)(self._adapted)

    def matrix(self, papers: IndexArray, catalog: Catalog, *, titles: bool = False) -> PaperMatrix:
        """Return some papers in the spaces of a catalog; with whole texts if there are no title vectors."""
        return self._recent(papers.astype(np.intp).tobytes(), catalog, titles and True in self._shown)

    def statistics(self, catalog: Catalog) -> CorpusStatistics:
        """Return the statistics of a catalog."""
        if catalog.week < 0:
            rows = np.arange(len(self._units))
        else:
            rows = np.flatnonzero(self._appeared_at < start_of(catalog.week))
        if catalog.size is not None and catalog.size < len(rows):
            rows = np.sort(np.random.default_rng(catalog.seed).choice(rows, catalog.size, replace=False))
        return count_corpus(self._shown[False][1].take(rows), self._units[rows])

    def code_of(self, user: int) -> int:
        """Return the user's code in the papers' signals; 0 where no codes are known."""
        return 0 if self._user_codes is None else int(self._user_codes[user])

    def _gathered(self, papers: bytes, catalog: Catalog, titles: bool) -> PaperMatrix:  # noqa: FBT001
        rows = np.frombuffer(papers, dtype=np.intp)
        columns, counts = self._shown[titles]
        return self._spaces(catalog).matrix(columns.take(rows.tolist()), counts.take(rows))

    def _adapted(self, catalog: Catalog) -> Spaces:
        fold_map = self._maps.get(catalog.fold)
        factor_map = self._foreign_map if catalog.is_foreign and self._foreign_map is not None else fold_map
        return replace(self._prior, factor_map=factor_map).adapted(self.statistics(catalog))
