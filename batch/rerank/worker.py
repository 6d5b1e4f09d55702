"""The worker of a re-rank: reads the users of a partition in groups, ranks them as GetFeed does, and writes a file."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from batch.chunks import chunks
from batch.errors import BatchError, Failure
from batch.parquet import written
from batch.rerank.cargo import Cargo
from batch.rerank.liked_papers import PAPER_BYTES, LikedPapers
from batch.rerank.output import count_facts
from batch.rerank.population import EVENT_BYTES, USER_BYTES, Partition
from batch.rerank.slate_table import UserSlate, schema, table_of
from batch.rerank.source import PaperSource, Users, open_source
from batch.sessions import Sessions
from ranker.blas import use_one_thread
from ranker.errors import RankerError
from service.app.ranking.candidates import Candidates
from service.app.ranking.prepared_user import PreparedUser, counted_papers
from service.app.ranking.ranking import Asked, RankingOptions, feed_exploration, hidden_papers, rank_many
from service.app.ranking.serving import Serving
from service.domain.errors import PaperfeedError
from service.domain.events import UserState

GROUP_BYTES = 32 * 2**20
"""Memory of the users who are ranked together: some hundred users with thirty likes."""
LIKED_BYTES = 192 * 2**20
"""Memory of the liked papers kept between users; users whose likes fit in here are read together."""


@dataclass(frozen=True)
class Task:
    """A partition, and the listed users in it; None as ``user_ids`` ranks all of its users."""

    partition: Partition
    user_ids: tuple[str, ...] | None


class Session:
    """The objects that a worker keeps from partition to partition of one job."""

    def __init__(self, cargo: Cargo) -> None:
        use_one_thread()
        self.cargo = cargo
        self.serving: Serving = cargo.serving()
        self.candidates: Candidates = cargo.placed_candidates(self.serving)
        self.source = open_source(cargo.location)
        self._own = threading.local()

    @property
    def liked(self) -> LikedPapers:
        """Liked papers kept by the calling thread."""
        if not hasattr(self._own, "liked"):
            self._own.liked = LikedPapers(self.serving, LIKED_BYTES, Path(self.cargo.folder))
        found: LikedPapers = self._own.liked
        return found

    def slates(self, task: Task) -> Iterator[list[UserSlate]]:
        """Yield one slate for each user of the partition, in the order of the ids, in groups."""
        for papers, users in self.source.users(task.partition.after, task.partition.until, task.user_ids):
            # A source reads whole blocks: finding a few papers costs nearly as much as finding many.
            for some in _groups(users, LIKED_BYTES, 0, PAPER_BYTES):
                self._fetch(papers, some)
                for group in _groups(some, GROUP_BYTES, USER_BYTES, EVENT_BYTES):
                    yield self._ranked(group)

    def close(self) -> None:
        """Close the source of users and papers."""
        self.source.close()

    def _fetch(self, papers: PaperSource, users: Users) -> None:
        states = [state for _, state in users if state is not None and (state.likes or state.interests)]
        self.liked.fetch(papers, (paper_id for state in states for paper_id in counted_papers(state)))

    def _ranked(self, group: Users) -> list[UserSlate]:
        users = [self._user(state) for _, state in group]
        asked = [Asked(user, self._options(user_id, user)) for (user_id, _), user in zip(group, users, strict=True)]
        ranked = rank_many(self.serving, asked, self.candidates, self.cargo.job.as_of)
        return [
            UserSlate(user_id, state.version if state else None, ranking)
            for (user_id, state), ranking in zip(group, ranked, strict=True)
        ]

    def _options(self, user_id: str, user: PreparedUser) -> RankingOptions:
        """Return the options that GetFeed would use for the user."""
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
    """Yield the users in their order, at most ``limit`` bytes of them and their likes at a time."""

    def size_of(user: tuple[str, UserState | None]) -> int:
        state = user[1]
        return user_bytes + event_bytes * (len(state.likes) + len(state.dislikes) if state else 0)

    return chunks(users, size_of, limit)


_sessions = Sessions(Session)


def rerank(cargo: Cargo, task: Task) -> Partition | Failure:
    """Rank a partition and write its file, complete or not at all; return the partition."""
    path = Path(cargo.folder, task.partition.file_name)
    try:
        _write(_sessions.of(cargo), task, path)
    except (PaperfeedError, RankerError, BatchError) as error:
        return Failure(str(error))
    except (OSError, pa.ArrowException) as error:
        return Failure(f"{path}: {getattr(error, 'strerror', None) or error}")
    return task.partition


def _write(session: Session, task: Task, path: Path) -> None:
    job = session.cargo.job
    users = empty = 0
    with written(path, schema(with_features=job.with_features)) as file:
        for slates in session.slates(task):
            file.add(table_of(slates, job.digest_id, job.as_of, with_features=job.with_features))
            users += len(slates)
            empty += sum(1 for slate in slates if not slate.ranking.items)
        file.note({**count_facts(users, file.row_count, empty), **session.cargo.facts})
