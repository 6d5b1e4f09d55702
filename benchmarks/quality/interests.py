"""Sections for people with two interests: made-up users who mix the likes of two readers from different fields.

One reader's likes are four times as many as the other's. Each user gets a daily digest: all papers of a day on which
the weaker reader liked some. The figure is the recall of the weaker interest: the share of these liked papers among the
first twenty of the feed. It is given for a feed of the weaker reader's likes alone, for the single list of all likes,
and for slates with sections: of the interests that are found in the likes, and of two interests that the user named.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.spaces.linear import unit_rows
from ranker.spaces.sparse import SparseRows
from ranker.spaces.statistics import count_corpus, count_terms
from ranker.types import IndexArray
from service.app.ranking.candidates import Candidates, Matcher
from service.app.ranking.prepared_user import PlacePapers, PreparedUser
from service.app.ranking.ranking import MAX_SLATE_SIZE, Asked, Ranking, RankingOptions, rank_many
from service.app.ranking.sections import active, mixed, sections_of
from service.app.ranking.serving import Serving
from service.domain.events import Like, Preferences, UserState
from service.domain.interests import InterestOrigin, StoredInterest, StoredInterests
from service.domain.matching import PaperWords
from service.domain.papers import Paper
from training.data.query_groups import Query
from training.data.snapshot import Dataset
from training.dates import day_seconds
from training.evaluation.corpus import anonymous
from training.evaluation.protocols import Round, tie_order

USERS = 1_000
FEW, MANY = 5, 20
"""Number of likes of the weaker and of the stronger reader, the newest of each."""
SHOWN = 20
WEAK = "weak"
LEAST_PAPERS = 100
"""Number of papers of the smallest digest: on fewer, twenty places would hold most of what is relevant."""
DAY_SECONDS = 86_400.0
DIVERSITY = 0.1
"""The service's default."""
ALONE, ALONE_HALF, SINGLE = "weaker interest alone", "weaker interest alone, first ten", "single list"
FOUND, NAMED, SECTION = (
    "sections of found interests",
    "sections of two named interests",
    "its own section, first twenty",
)
WEIGHTS = (0.2, 0.75)
"""Weights of the weaker interest in further systems: its share of the likes, and one that a user might set."""
WEIGHTED = tuple(f"{NAMED}, weight {weight} for the weaker" for weight in WEIGHTS)
SYSTEMS = (ALONE, ALONE_HALF, SINGLE, FOUND, NAMED, *WEIGHTED, SECTION)


@dataclass(frozen=True)
class Mixed:
    """A made-up user.

    Attributes:
        day: The day of the digest.
        weak: (5,) rows of the newest likes of the weaker reader before the day, oldest first.
        strong: (20,) the same of the stronger reader.
        times: Unix seconds of each like by row.
        answers: Rows of the papers of the day that the weaker reader likes, at least one.
        other_answers: The same of the stronger reader; may be empty.
    """

    day: Round
    weak: IndexArray
    strong: IndexArray
    times: dict[int, float]
    answers: IndexArray
    other_answers: IndexArray


def interests(
    dataset: Dataset, bundle: Bundle, first_day: dt.date, last_day: dt.date, *, seed: int = 1
) -> dict[str, Any]:
    """Return the mean recall of both interests in the first twenty by system, and the ratio to the feed alone.

    Args:
        first_day: The first day of a digest.
        last_day: The last one.
    """
    shown = replace(dataset, papers=anonymous(dataset.papers))
    users = list(made_up(shown, list(_days(shown, first_day, last_day)), seed))
    # Counting the terms of all papers takes half a minute.
    counts = count_terms(shown.papers.texts)
    found: list[dict[str, tuple[float, float]]] = []
    for day in dict.fromkeys(user.day.as_of for user in users):
        own = [user for user in users if user.day.as_of == day]
        found.extend(_Day(shown, bundle, counts, own).recalls())
    figures = {name: np.array([each[name] for each in found]) for name in SYSTEMS}
    alone = figures[ALONE][:, 0].mean()
    return {
        "users": len(users),
        "likes": {"weaker": FEW, "stronger": MANY},
        "shown": SHOWN,
        "systems": {
            name: {
                "recall of the weaker interest": round(float(each[:, 0].mean()), 4),
                "of the feed of that interest alone": round(float(each[:, 0].mean() / alone), 4),
                "recall of the stronger interest": round(float(np.nanmean(each[:, 1])), 4),
            }
            for name, each in figures.items()
        },
        "without vectors": int((~np.isfinite(shown.papers.embeddings).all(axis=1)).sum()),
        "papers": len(shown.papers),
    }


def _days(dataset: Dataset, first_day: dt.date, last_day: dt.date) -> Iterator[Round]:
    """Yield a round for each day with a query. Nothing of the day or after it is visible, as in weekly-digest."""
    likes = dataset.likes
    appeared = dataset.appeared_at
    for start in np.arange(day_seconds(first_day), day_seconds(last_day) + 1, DAY_SECONDS).tolist():
        today = np.flatnonzero((appeared >= start) & (appeared < start + DAY_SECONDS))
        candidates = tie_order(dataset, today)
        known = likes.where(np.flatnonzero((likes.liked_at < start) & (appeared[likes.papers] < start)))
        queries = []
        for user in np.unique(likes.users[np.isin(likes.papers, today)]).tolist():
            own = known.of_user(user)
            hits = np.isin(candidates, likes.papers[likes.of_user(user)])
            liked, liked_at = known.papers[own], known.liked_at[own]
            if len(liked) >= FEW:
                queries.append(Query(user, candidates, hits, liked, liked_at, start + DAY_SECONDS))
        visible = np.flatnonzero(appeared < start)
        if queries and len(candidates) >= LEAST_PAPERS:
            yield Round(0, 0, visible, visible, candidates, known, start + DAY_SECONDS, tuple(queries))


def made_up(dataset: Dataset, rounds: Sequence[Round], seed: int) -> Iterator[Mixed]:
    """Yield up to ``USERS`` users: pairs of readers whose likes have no first category in common."""
    rng = np.random.default_rng(seed)
    queries = [(this, query) for this in rounds for query in this.queries]
    made = 0
    for number in rng.permutation(len(queries)).tolist():
        day, query = queries[number]
        fields = _fields(dataset, query.liked)
        strong = [each for each in _readers(day, MANY) if fields and fields.isdisjoint(_fields(dataset, each[1]))]
        if made == USERS or not strong:
            continue
        user, rows, times = strong[int(rng.integers(len(strong)))]
        weak = _newest(query.liked, query.liked_at, FEW)
        if np.intersect1d(rows, query.liked).size:
            continue
        known = dict(zip(query.liked.tolist(), query.liked_at.tolist(), strict=True))
        known |= dict(zip(rows.tolist(), times.tolist(), strict=True))
        liked = dataset.likes.papers[dataset.likes.of_user(user)]
        yield Mixed(
            day=day,
            weak=weak,
            strong=_newest(rows, times, MANY),
            times=known,
            answers=query.candidates[query.relevant],
            other_answers=np.intersect1d(liked, day.candidates),
        )
        made += 1


def _readers(day: Round, count: int) -> Iterator[tuple[int, IndexArray, Any]]:
    """Yield the readers with that many likes before the day: number, papers and times of the likes."""
    for user in np.flatnonzero(np.bincount(day.likes.users) >= count).tolist():
        own = day.likes.of_user(user)
        yield user, day.likes.papers[own], day.likes.liked_at[own]


def _newest(rows: IndexArray, times: Any, count: int) -> IndexArray:
    return rows[np.argsort(times, kind="stable")[-count:]]


def _fields(dataset: Dataset, rows: IndexArray) -> set[str]:
    """Return the first categories of papers."""
    return {name for row in rows.tolist() for name in dataset.papers.categories[row][:1]}


class _Day:
    """The users of one day, and the papers that they like or may be shown, placed in the spaces of the bundle."""

    def __init__(self, dataset: Dataset, bundle: Bundle, counts: SparseRows, users: Sequence[Mixed]) -> None:
        self._users = users
        day, papers = users[0].day, dataset.papers
        visible = count_corpus(counts.take(day.visible), unit_rows(papers.embeddings[day.visible]))
        adapted = bundle.adapted(visible)
        self._serving = Serving(bundle.encoder_name, adapted, "", 1)
        used = np.unique(
            np.concatenate([day.candidates, *(part for each in users for part in (each.weak, each.strong))])
        )
        self._ids = {row: papers.paper_ids[row] for row in used.tolist()}
        self._matrix = adapted.spaces.matrix(papers.take(used.tolist()), counts.take(used))
        self._papers = {
            self._ids[row]: Paper(paper_id=self._ids[row], title=papers.titles[row]) for row in used.tolist()
        }
        shown = [self._papers[self._ids[row]] for row in day.candidates.tolist()]
        matcher = Matcher([PaperWords.of(paper) for paper in shown])
        rows = np.searchsorted(used, day.candidates).tolist()
        self._candidates = Candidates((), tuple(shown), matcher, self._matrix.take(rows), 0)
        self._as_of = dt.datetime.fromtimestamp(day.as_of, dt.UTC)

    @property
    def _place(self) -> PlacePapers:
        return lambda papers: self._matrix.take([self._matrix.row_of[paper.paper_id] for paper in papers])

    def recalls(self) -> Iterator[dict[str, tuple[float, float]]]:
        """Yield the recall of the weaker and of the stronger interest for each user, by system."""
        for user in self._users:
            both = np.concatenate([user.weak, user.strong])
            alone = _ids(self._ranked([self._prepared(user, user.weak)])[0])
            named = self._by_interest(self._prepared(user, both, self._lists(user)))
            whole = self._prepared(user, both)
            lists = {
                ALONE: alone,
                ALONE_HALF: alone[: SHOWN // 2],
                SINGLE: _ids(self._ranked([whole])[0]),
                FOUND: _ids(self._by_interest(whole)),
                NAMED: _ids(named),
                SECTION: [item.paper_id for item in named.items if item.interest_id == WEAK],
            }
            for name, weight in zip(WEIGHTED, WEIGHTS, strict=True):
                lists[name] = _ids(self._by_interest(self._prepared(user, both, self._lists(user, weight))))
            yield {
                name: (self._recall(shown, user.answers), self._recall(shown, user.other_answers))
                for name, shown in lists.items()
            }

    def _lists(self, user: Mixed, weight: float | None = None) -> StoredInterests:
        """Return the two interests as named lists, with a weight of the weaker one or without weights."""
        parts = (
            (WEAK, user.weak, weight),
            ("strong", user.strong, None if weight is None else 1 - weight),
        )
        return StoredInterests(
            tuple(
                StoredInterest(name, name, InterestOrigin.LIST, tuple(self._ids[row] for row in rows.tolist()), share)
                for name, rows, share in parts
            )
        )

    def _prepared(self, user: Mixed, rows: IndexArray, stored: StoredInterests | None = None) -> PreparedUser:
        in_order = sorted(rows.tolist(), key=lambda row: (user.times[row], row))
        likes = tuple(Like(self._ids[row], dt.datetime.fromtimestamp(user.times[row], dt.UTC)) for row in in_order)
        state = UserState("user", 1, likes, (), frozenset(), Preferences(), self._as_of, self._as_of, stored)
        return PreparedUser.of(self._serving, state, self._papers, self._place)

    def _by_interest(self, user: PreparedUser) -> Ranking:
        sections = active(sections_of(user, self._papers, self._place))
        return mixed(sections, self._ranked([each.user for each in sections]))

    def _ranked(self, users: Sequence[PreparedUser]) -> list[Ranking]:
        options = RankingOptions(as_of=self._as_of, explain=False, diversity=DIVERSITY, limit=MAX_SLATE_SIZE)
        return rank_many(self._serving, [Asked(user, options) for user in users], self._candidates, self._as_of)

    def _recall(self, shown: Sequence[str], answers: IndexArray) -> float:
        wanted = {self._ids[row] for row in answers.tolist()}
        return len(wanted.intersection(shown[:SHOWN])) / len(wanted) if wanted else float("nan")


def _ids(ranking: Ranking) -> list[str]:
    return [item.paper_id for item in ranking.items]
