"""Named recipes: the settings of a training run that are chosen rather than learned. This module imports no stage."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from training.dates import day_seconds
from training.errors import TrainingError


@dataclass(frozen=True)
class FactorSettings:
    """Settings of the fit of the factor map; see ``training.spaces.factor_fitting``.

    Attributes:
        factor_count: k, the length of a paper's factors.
        term_count: Greatest number of term buckets with factors of their own; the commonest are taken.
        min_papers: Least number of papers that a bucket occurs in.
        steps: Batches for each data set.
        batch_users: Users in a batch.
        pool_size: Papers drawn at random among which targets must be found.
        temperature: Temperature of the softmax over cosines.
        dropout: Share of vector components and terms that a step does not see.
        learning_rate: Learning rate of Adam; it falls to 0 over the last two thirds of the steps.
        term_decay: Weight decay of the terms' factors, so that a rare term does not memorise its papers.
    """

    factor_count: int = 96
    term_count: int = 12_000
    min_papers: int = 3
    steps: int = 130
    batch_users: int = 512
    pool_size: int = 4_000
    temperature: float = 0.1
    dropout: float = 0.35
    learning_rate: float = 3e-3
    term_decay: float = 1e-3


@dataclass(frozen=True)
class Simulated:
    """Chances of simulated signals; see ``training.data.simulation``. Shares are independent probabilities per query.

    Attributes:
        follows_share: Queries of users who follow topics, and, drawn again, authors.
        topic_hits: Chances that a relevant and that another candidate is of a followed topic.
        author_hits: The same for followed authors.
        dislikes_share: Queries of users who dislike one to three papers.
        crowd_share: Queries on undated data in which likes of other users are visible.
        crowd_reach: Least and greatest share of those likes that were given before the query.
    """

    follows_share: float = 0.2
    topic_hits: tuple[float, float] = (0.5, 0.08)
    author_hits: tuple[float, float] = (0.3, 0.01)
    dislikes_share: float = 0.3
    crowd_share: float = 0.25
    crowd_reach: tuple[float, float] = (0.05, 0.5)


@dataclass(frozen=True)
class Hiding:
    """Shares of training queries in which some information is hidden; see ``training.data.rows``.

    Attributes:
        small_profile_share: Queries whose profile is cut to one to five likes, as on a user's first day.
        foreign_map_share: Queries with the factor map that was fitted on the other data sets only, as for users of a
            field that is new to the bundle.
        titles_only_share: Queries that see the likes (and, drawn again, the candidates) by title alone.
        masked_shares: For each feature family the share of queries in which it is unknown.
        pending_share: Queries in which a fifth of the candidates has no vector yet.
    """

    small_profile_share: float = 0.3
    foreign_map_share: float = 0.4
    titles_only_share: float = 0.2
    masked_shares: tuple[tuple[str, float], ...] = (
        ("embedding", 0.05),
        ("text", 0.05),
        ("recency", 0.5),
        ("profile", 0.1),
        ("topic", 0.1),
        ("collaborative", 0.2),
    )
    pending_share: float = 0.03

    def without(self, families: Sequence[str]) -> "Hiding":
        """Return the same shares, with these families always unknown."""
        return replace(self, masked_shares=tuple({**dict(self.masked_shares), **dict.fromkeys(families, 1.0)}.items()))


@dataclass(frozen=True)
class Recipe:
    """Settings of the queries and of the fit. Shares are independent probabilities per query.

    Attributes:
        known_until: Unix seconds; no part of training sees papers or likes dated at or after it.
        dated_query_limit: Greatest number of queries from each dated data set.
        dated_guises: Number of times that each dated query is used, each time with other parts masked.
        left_out_queries: Also ask each dated query with the likes of all other weeks as the profile.
        undated_query_limit: Greatest number of queries from each undated data set.
        undated_candidate_count: Candidates of a query on undated data, likes included.
        fold_count: Number of maps fitted for training queries; see ``training.data.cross_fitting``.
        base: Weights of the features whose sum the trees correct; see ``ranker.score.Model``.
        catalog_sizes: Sizes of the catalogs whose statistics training queries see, drawn at random; None means all
            papers from before the query.
        factors: Settings of the factor map; None learns no map.
        undated_hiding: Shares of hidden information in queries on undated data.
        dated_hiding: The same in queries on dated data.
        topic_count: Greatest number of topics of the bundle.
        simulated: Chances of signals that no public data set has.
        dated_weight: Weight of a dated data set; an undated one has weight 1. Dated queries are real digests, not
            papers drawn at random.
        paper_limit: Greatest number of papers of a data set from files that are embedded and used; None uses all.
        held_out_share: Share of users held out for early stopping, the figures in the manifest and the calibration.
        calibration_digests: Greatest number of digests of each dated data set that the calibration is fitted on.
        thread_count: Threads of LightGBM; fixed, because its sums depend on it.
    """

    name: str
    known_until: float
    dated_query_limit: int = 6_000
    dated_guises: int = 2
    left_out_queries: bool = False
    undated_query_limit: int = 6_000
    undated_candidate_count: int = 300
    fold_count: int = 2
    base: tuple[tuple[str, float], ...] = (
        ("embedding_mean_relative", 1.2),
        ("embedding_linear_relative", 0.3),
        ("embedding_nearest_relative", 0.4),
        ("text_evidence", 1.4),
        ("topic_category_overlap_relative", 0.9),
    )
    catalog_sizes: tuple[int | None, ...] = (0, 300, 3_000, None)
    factors: FactorSettings | None = field(default_factory=FactorSettings)
    undated_hiding: Hiding = field(default_factory=Hiding)
    dated_hiding: Hiding = field(default_factory=Hiding)
    topic_count: int = 64
    simulated: Simulated = field(default_factory=Simulated)
    dated_weight: float = 2.0
    paper_limit: int | None = None
    held_out_share: float = 0.12
    calibration_digests: int = 4_000
    tree_count: int = 200
    early_stopping_rounds: int = 40
    leaf_count: int = 31
    learning_rate: float = 0.09
    min_leaf_rows: int = 200
    truncation_level: int = 100
    thread_count: int = 1

    def hiding(self, *, dated: bool) -> Hiding:
        """Return the shares of hidden information for dated or undated queries."""
        return self.dated_hiding if dated else self.undated_hiding

    def without(self, families: Sequence[str]) -> "Recipe":
        """Return the same recipe, with these feature families never seen in training and not in the base."""
        undated, dated = self.undated_hiding.without(families), self.dated_hiding.without(families)
        # The name of a feature begins with its family's.
        left = tuple((name, weight) for name, weight in self.base if name.partition("_")[0] not in families)
        return replace(self, base=left, undated_hiding=undated, dated_hiding=dated)

    def as_params(self) -> dict[str, Any]:
        """Return the parameters for the manifest."""
        return asdict(self)


# The weeks from 2025-10-06 on are the test of the shipped bundle.
_UNTIL_TEST = day_seconds(dt.date(2025, 10, 1))

# Dated queries already have users with one like and papers without co-likes.
_LITTLE_HIDDEN = Hiding(
    small_profile_share=0.15,
    foreign_map_share=0.1,
    titles_only_share=0.05,
    masked_shares=tuple((family, share / 2) for family, share in Hiding().masked_shares),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        # Small trees: on data that they have not seen, large ones rank worse than the sum that they correct.
        Recipe(
            "default",
            known_until=_UNTIL_TEST,
            dated_query_limit=1_500,
            dated_guises=1,
            left_out_queries=True,
            undated_query_limit=3_000,
            dated_hiding=_LITTLE_HIDDEN,
            factors=None,
            tree_count=120,
            leaf_count=7,
            learning_rate=0.05,
            min_leaf_rows=1_000,
        ),
        # For data in which many users like the same papers.
        Recipe("co-likes", known_until=_UNTIL_TEST, left_out_queries=True, dated_hiding=_LITTLE_HIDDEN),
        Recipe(
            "tiny",
            known_until=_UNTIL_TEST,
            dated_query_limit=100,
            dated_guises=2,
            undated_query_limit=60,
            undated_candidate_count=40,
            factors=FactorSettings(factor_count=16, term_count=500, steps=10, batch_users=64, pool_size=200),
            tree_count=30,
            early_stopping_rounds=10,
            leaf_count=7,
            topic_count=8,
            calibration_digests=300,
            paper_limit=1_000,
            min_leaf_rows=20,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        TrainingError: No recipe has this name; the message lists the names.
    """
    try:
        return RECIPES[name]
    except KeyError as error:
        raise TrainingError(f"no recipe is called {name!r}; there are {', '.join(sorted(RECIPES))}") from error
