"""The digests that a calibration is fitted and measured on: also those of which a user likes nothing.

Queries for training have a right answer by construction. A calibration that was fitted on them would take for granted
that every digest has a paper to like, and would never say that there is nothing today.
"""

from collections.abc import Collection

import numpy as np

from ranker.types import IndexArray
from training.data.query_groups import Query
from training.data.snapshot import Dataset, Likes
from training.data.weeks import start_of, week_of


def digest_queries(
    dataset: Dataset,
    users: Collection[int],
    *,
    limit: int,
    rng: np.random.Generator,
    since: float = -np.inf,
) -> list[Query]:
    """Draw weekly digests of users at random; return one query each, weeks ascending.

    The digests of a user are all weeks after the one of the first like, up to the last week of the data. Candidates are
    the papers that appeared in the week. The relevant ones are those that the user liked or saved in it. Profile and
    dislikes are from before the week. Only for dated data.

    Args:
        limit: Greatest number of queries.
        since: Unix seconds; only weeks that begin at this time or later are drawn.
    """
    weeks, likes, dislikes = week_of(dataset.appeared_at), dataset.likes, dataset.dislikes
    like_weeks, dislike_weeks = week_of(likes.liked_at), week_of(dislikes.liked_at)
    known = [int(week) for week in np.unique(weeks) if week >= 0 and start_of(int(week)) >= since]
    pairs = []
    for user in sorted(users):
        own = like_weeks[likes.of_user(user)]
        if len(own):
            # A like without a time is from before all weeks.
            pairs += [(week, user) for week in known if week > own.min()]
    drawn = sorted(rng.permutation(len(pairs))[:limit].tolist())
    candidates = {week: np.flatnonzero(weeks == week) for week in {pairs[i][0] for i in drawn}}
    found = []
    for week, user in sorted(pairs[i] for i in drawn):
        mine = likes.of_user(user)
        liked = _before(likes, mine, like_weeks, week)
        disliked = _before(dislikes, dislikes.of_user(user), dislike_weeks, week)
        keep = candidates[week][~np.isin(candidates[week], np.concatenate((liked.papers, disliked.papers)))]
        if len(keep):
            relevant = np.isin(keep, likes.papers[mine][like_weeks[mine] == week])
            end = start_of(week + 1)
            found.append(Query(user, keep, relevant, liked.papers, liked.liked_at, end, week, disliked=disliked.papers))
    return found


def _before(reactions: Likes, own: slice, weeks: IndexArray, week: int) -> Likes:
    """Return the reactions of one user from before the week."""
    return reactions.where(np.arange(own.start, own.stop)[weeks[own] < week])
