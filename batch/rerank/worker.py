"""One partition's slates, made in a worker: users read in groups, ranked by the service's own use case, written."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from batch.errors import BatchError
from batch.parquet import written
from batch.population import EVENT_BYTES, USER_BYTES, Partition
from batch.rerank.cargo import Cargo
from batch.rerank.liked_papers import LikedPapers
from batch.rerank.slate_table import UserSlate, schema, table_of
from batch.sessions import Sessions
from batch.source import PaperSource, Users, open_source
from ranker.blas import use_one_thread
from ranker.errors import RankerError
from service.app.ranking.candidates import Candidates
from service.app.ranking.prepared_user import PreparedUser, counted_likes
from service.app.ranking.ranking import Asked, RankingOptions, feed_exploration, hidden_papers, rank_many
from service.app.ranking.serving import Serving
from service.domain.errors import PaperfeedError
from service.domain.events import UserState

GROUP_BYTES = 32 * 2**20
"""Of users that the model is called on together: some hundred with thirty likes."""
LIKED_BYTES = 192 * 2**20
"""Of liked papers kept from users to users, who read them together as far as they fit in here."""
LEAF_BYTES = 5_000
"""What one candidate takes while it is scored for one user."""


@dataclass(frozen=True)
class Task:
    """A partition; ``user_ids`` are those of the list in it, None where all users are asked for."""

    partition: Partition
    user_ids: tuple[str, ...] | None


@dataclass(frozen=True)
class Done:
    """A partition that is on the disk."""

    partition: Partition
    user_count: int
    item_count: int
    empty_count: int

    def facts(self) -> dict[str, str]:
        """For the file's metadata."""
        return {f"paperfeed.{name}": str(getattr(self, name)) for name in ("user_count", "item_count", "empty_count")}


@dataclass(frozen=True)
class Failure:
    """A partition that cannot be done, and why, in words for people."""

    partition: Partition
    problem: str


class Session:
    """What a worker keeps from partition to partition."""

    def __init__(self, cargo: Cargo) -> None:
        use_one_thread()
        self.cargo = cargo
        self.serving: Serving = cargo.serving()
        self.candidates: Candidates = cargo.placed_candidates(self.serving)
        self.source = open_source(cargo.location)
        self._own = threading.local()

    @property
    def liked(self) -> LikedPapers:
        """This thread's."""
        if not hasattr(self._own, "liked"):
            self._own.liked = LikedPapers(self.serving, LIKED_BYTES, self.candidates.matrix, Path(self.cargo.folder))
        found: LikedPapers = self._own.liked
        return found

    def slates(self, task: Task) -> Iterator[list[UserSlate]]:
        """One slate for each user of the partition, by id, in groups."""
        user_bytes = USER_BYTES + LEAF_BYTES * len(self.candidates.papers)
        for papers, users in self.source.users(task.partition.after, task.partition.until, task.user_ids):
            # To look for some papers costs nearly as much as to look for many: the source reads whole blocks.
            for some in _groups(users, LIKED_BYTES, 0, self.liked.paper_bytes):
                self._fetch(papers, some)
                for group in _groups(some, GROUP_BYTES, user_bytes, EVENT_BYTES):
                    yield self._ranked(group)

    def close(self) -> None:
        """Closes what users are read from."""
        self.source.close()

    def _fetch(self, papers: PaperSource, users: Users) -> None:
        states = [state for _, state in users if state is not None and state.likes]
        counted = (part for state in states for part in counted_likes(state))
        self.liked.fetch(papers, (like.paper_id for part in counted for like in part))

    def _ranked(self, group: Users) -> list[UserSlate]:
        users = [self._user(state) for _, state in group]
        asked = [
            Asked(user, self._options(user_id, user), self.liked.similarities(user))
            for (user_id, _), user in zip(group, users, strict=True)
        ]
        ranked = rank_many(self.serving, asked, self.candidates, self.cargo.job.as_of)
        return [
            UserSlate(user_id, state.version if state else None, ranking)
            for (user_id, state), ranking in zip(group, ranked, strict=True)
        ]

    def _options(self, user_id: str, user: PreparedUser) -> RankingOptions:
        """Those of the reader's feed."""
        job = self.cargo.job
        return RankingOptions(
            as_of=job.as_of,
            diversity=job.diversity,
            exclude=hidden_papers(user, self.candidates),
            page=job.page_size,
            exploration=feed_exploration(self.serving, job.exploration, user_id, job.digest_id, job.as_of),
        )

    def _user(self, state: UserState | None) -> PreparedUser:
        if state is None:
            return PreparedUser(state=None, profile=None)
        return PreparedUser.of(self.serving, state, self.liked.papers, self.liked.place)


def _groups(users: Users, limit: int, user_bytes: int, event_bytes: int) -> Iterator[Users]:
    """The users in their order, so many bytes of them and their likes at a time, but at least one user."""
    group: list[tuple[str, UserState | None]] = []
    size = 0
    for user_id, state in users:
        own = user_bytes + event_bytes * (len(state.likes) + len(state.dislikes) if state else 0)
        if group and size + own > limit:
            yield group
            group, size = [], 0
        group.append((user_id, state))
        size += own
    if group:
        yield group


_sessions = Sessions(Session)


def rerank(cargo: Cargo, task: Task) -> Done | Failure:
    """Makes and writes a partition's slates; the file is there whole, or not at all."""
    path = Path(cargo.folder, task.partition.file_name)
    try:
        return _rerank(_sessions.of(cargo), task, path)
    except (PaperfeedError, RankerError, BatchError) as error:
        return Failure(task.partition, str(error))
    except (OSError, pa.ArrowException) as error:
        return Failure(task.partition, f"{path}: {getattr(error, 'strerror', None) or error}")


def _rerank(session: Session, task: Task, path: Path) -> Done:
    job = session.cargo.job
    users = items = empty = 0
    with written(path, schema(with_features=job.with_features)) as file:
        for slates in session.slates(task):
            file.add(table_of(slates, job.digest_id, job.as_of, with_features=job.with_features))
            users += len(slates)
            empty += sum(1 for slate in slates if not slate.ranking.items)
        items = file.row_count
        done = Done(task.partition, users, items, empty)
        file.note({**done.facts(), **session.cargo.facts})
    return done
