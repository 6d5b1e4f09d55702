"""Named recipes: everything about a training run that is chosen rather than learned."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from training.errors import TrainingError
from training.spaces.colike_fitting import CoLikeSettings
from training.spaces.factor_fitting import FactorSettings


@dataclass(frozen=True)
class Simulated:
    """Chances of what ``training.data.simulation`` makes up. Shares are probabilities per query, drawn independently.

    Attributes:
        follows_share: Queries by readers who follow topics, and, drawn again, authors.
        topic_hits: Chances that a relevant and that another candidate is of a followed topic.
        author_hits: The same for followed authors.
        dislikes_share: Queries by readers who dislike one to three papers.
        crowd_share: Queries on undated data in which other readers' likes are seen as they come in.
        crowd_reach: Least and greatest share of those likes that came in by the time of the query.
    """

    follows_share: float = 0.2
    topic_hits: tuple[float, float] = (0.5, 0.08)
    author_hits: tuple[float, float] = (0.3, 0.01)
    dislikes_share: float = 0.3
    crowd_share: float = 0.25
    crowd_reach: tuple[float, float] = (0.05, 0.5)


@dataclass(frozen=True)
class Hiding:
    """How often parts of what is known are hidden from training queries; see ``training.data.rows``.

    Attributes:
        small_profile_share: Queries whose profile is cut to one to five likes, as of a reader's first day.
        foreign_spaces_share: Queries seen in spaces that were fitted on the other data sets only, as readers of a field
            that is new to the bundle will see theirs.
        titles_only_share: Queries that see the likes (and, drawn again, the candidates) by title alone.
        masked_shares: For each family the share of queries in which it is unknown.
        pending_share: Queries in which a fifth of the candidates has no vector yet.
    """

    small_profile_share: float = 0.3
    foreign_spaces_share: float = 0.4
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

    def without(self, families: Iterable[str]) -> "Hiding":
        """The same with these families always unknown."""
        return replace(self, masked_shares=tuple({**dict(self.masked_shares), **dict.fromkeys(families, 1.0)}.items()))


@dataclass(frozen=True)
class Recipe:
    """How queries are made and the model is fitted. Shares are probabilities per query, drawn independently.

    Attributes:
        known_until: Unix seconds; nothing dated at or after it is seen by any part of training.
        dated_query_limit: Most queries taken from each dated data set.
        dated_guises: Times each dated query is used, with other parts of it masked; there are few of them.
        left_out_queries: Also ask each dated query with the likes of all other weeks as the profile.
        undated_query_limit: Most queries taken from each undated data set.
        fold_count: Times the map is fitted anew for training queries; see ``training.data.cross_fitting``.
        factors: How the map is fitted.
        co_likes: How much is kept of who liked what.
        background_count: Papers of the bundle's background.
        undated_candidate_count: Candidates in such a query, likes included.
        undated_hiding: What is hidden from queries on undated data.
        dated_hiding: What is hidden from queries on dated data.
        dated_weight: How much a dated data set counts in training, beside 1 for an undated one: its queries are digests
            as they were, not papers drawn at random.
        held_out_share: Readers kept for early stopping and the figures in the manifest.
        topic_count: Topics of the bundle, at most.
        simulated: What no public data set holds and is made up; see ``training.data.simulation``.
        whitening_damping: Added to each variance, in units of the mean variance.
        min_expert_queries: Each of the two rankers of ``training.trees.experts`` takes so many queries, or there is one.
        thread_count: Fixed, as LightGBM's sums depend on it.
    """

    name: str
    known_until: float
    dated_query_limit: int = 6_000
    dated_guises: int = 2
    left_out_queries: bool = False
    undated_query_limit: int = 6_000
    undated_candidate_count: int = 300
    fold_count: int = 2
    factors: FactorSettings = field(default_factory=FactorSettings)
    co_likes: CoLikeSettings = field(default_factory=CoLikeSettings)
    background_count: int = 2000
    undated_hiding: Hiding = field(default_factory=Hiding)
    dated_hiding: Hiding = field(default_factory=Hiding)
    topic_count: int = 64
    simulated: Simulated = field(default_factory=Simulated)
    dated_weight: float = 2.0
    held_out_share: float = 0.12
    whitening_damping: float = 2.0
    tree_count: int = 200
    early_stopping_rounds: int = 40
    leaf_count: int = 31
    learning_rate: float = 0.09
    min_leaf_rows: int = 200
    truncation_level: int = 100
    min_expert_queries: int = 500
    thread_count: int = 1

    def hiding(self, *, dated: bool) -> Hiding:
        """What is hidden from queries of that kind."""
        return self.dated_hiding if dated else self.undated_hiding

    def without(self, families: Iterable[str]) -> "Recipe":
        """The same with these families never seen in training."""
        names = tuple(families)
        return replace(
            self, undated_hiding=self.undated_hiding.without(names), dated_hiding=self.dated_hiding.without(names)
        )

    def as_params(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


END_OF_TIME = 253_370_764_800.0
"""The year 9999: no limit on what is known."""
_UNTIL_2018 = dt.datetime(2018, 1, 1, tzinfo=dt.UTC).timestamp()

# Digests as they were have readers of one like and papers without co-likes in them already.
_LITTLE_HIDDEN = Hiding(
    small_profile_share=0.15,
    foreign_spaces_share=0.1,
    titles_only_share=0.05,
    masked_shares=tuple((family, share / 2) for family, share in Hiding().masked_shares),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="default",
            known_until=_UNTIL_2018,
            left_out_queries=True,
            dated_hiding=_LITTLE_HIDDEN,
        ),
        Recipe(
            name="tiny",
            known_until=_UNTIL_2018,
            dated_query_limit=100,
            dated_guises=2,
            undated_query_limit=60,
            undated_candidate_count=40,
            factors=FactorSettings(factor_count=16, term_count=500, steps=10, batch_users=64, pool_size=200),
            co_likes=CoLikeSettings(factor_count=16, paper_count=500),
            background_count=100,
            tree_count=30,
            early_stopping_rounds=10,
            leaf_count=7,
            topic_count=8,
            min_leaf_rows=20,
            min_expert_queries=5,
            thread_count=1,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        TrainingError: There is none; the message lists those there are.
    """
    try:
        return RECIPES[name]
    except KeyError as error:
        raise TrainingError(f"no recipe is called {name!r}; there are {', '.join(sorted(RECIPES))}") from error
