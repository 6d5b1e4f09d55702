"""Simulated users who get digests from a real server and react to them, for tests and the benchmark of feedback."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lightgbm
import numpy as np

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import Paper
from paperfeed.v1.feed_pb2 import StreamFeedsRequest
from paperfeed.v1.profile_pb2 import Event, EventType, RecordEventsRequest
from ranker.features import SCHEMA, compute_matrix
from ranker.papers import paper_columns
from ranker.profile.profile import build_profile
from ranker.signals import PaperSignals, Signals
from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float64Array
from service.domain.papers import embedding_text
from service.encoder import HashingEncoder
from service.storage import open_store
from testing.bundles import PARAMS, write_tiny_bundle
from testing.calls import at, make_digest, upsert_ready
from testing.ranker import spaces
from testing.servers import serving
from testing.simulated_clicks import FIELDS, MadeUpPaper, MadeUpUser, World

FIRST_DAY = dt.datetime(2025, 1, 6, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SHOWN = 10
UNSEEN = 3
LIBRARY = 12
LIKES = 5
EVENTS_PER_CALL = 1_000
DEADLINE_SECONDS = 600.0
"""Deadline of calls; on a busy machine a stream of many feeds takes longer than the default."""


def upvote_bundle(folder: Path) -> Path:
    """Write a bundle whose model prefers papers with many upvotes, whatever their age, and return its folder."""
    world = World(seed=1)
    rows, labels, sizes = [], [], []
    for number in range(60):
        name = list(FIELDS)[number % len(FIELDS)]
        profile = build_profile(_matrix(world.papers(f"l{number}", LIKES, name)))
        papers = world.papers(f"c{number}", 40)
        upvotes = np.array([paper.upvotes for paper in papers])
        rows.append(compute_matrix(profile, _matrix(papers), FIRST_DAY.timestamp()))
        labels.append(2 * np.array([paper.field == name for paper in papers]) + (upvotes > np.median(upvotes)))
        sizes.append(len(papers))
    data = lightgbm.Dataset(np.concatenate(rows), np.concatenate(labels), group=sizes, feature_name=list(SCHEMA.names))
    text = lightgbm.train(PARAMS, data, 30).model_to_string()
    write_tiny_bundle(folder, encoder_name=HashingEncoder.name, model_text=text)
    return folder


@dataclass
class Loop:
    """A database that simulated users have used, and the truth about them.

    Attributes:
        papers: All papers, by id.
        slates: (user, slate_id) of each slate that was sent, in order.
        digest_count: Number of digests that were sent; later digests are stored but unseen.
    """

    url: str
    world: World
    users: list[MadeUpUser]
    papers: dict[str, MadeUpPaper] = field(default_factory=dict)
    slates: list[tuple[MadeUpUser, str]] = field(default_factory=list)
    digest_count: int = 0

    def values_of(self, bundle: Path) -> Float64Array:
        """Return (unseen digests, users) the true value of the bundle's slates, without exploration."""
        with serving(self.url, bundle=str(bundle)) as service:
            return np.array(
                [
                    [self.world.value(user, self.named(ids)) for user, _, ids in feeds(service.client, self, day)]
                    for day in self._unseen()
                ]
            )

    def best_values(self) -> Float64Array:
        """Return (unseen digests, users) the true value of the best possible slates."""
        found = []
        for day in self._unseen():
            papers = [paper for paper in self.papers.values() if paper.paper_id.startswith(f"day{day}-")]
            found.append([self._best(user, papers) for user in self.users])
        return np.array(found)

    def attractions(self, since: float = -np.inf) -> Float64Array:
        """Return (papers of all slates since then,) the true attractions, in the order of ``read_slates``."""
        by_id = {user.user_id: user for user in self.users}
        store = open_store(self.url)
        with store.read() as tx:
            found = [
                by_id[user_id].attraction(self.papers[item.paper_id])
                for user_id in sorted(by_id)
                for slate in tx.slates.of_user(user_id)
                if slate.as_of.timestamp() >= since
                for item in slate.items
            ]
        store.dispose()
        return np.array(found)

    def named(self, paper_ids: Sequence[str]) -> list[MadeUpPaper]:
        """Return the papers with these ids."""
        return [self.papers[paper_id] for paper_id in paper_ids]

    def _unseen(self) -> range:
        return range(self.digest_count, self.digest_count + UNSEEN)

    def _best(self, user: MadeUpUser, papers: Sequence[MadeUpPaper]) -> float:
        best = sorted(papers, key=lambda paper: -user.attraction(paper))[:SHOWN]
        return self.world.value(user, best)


def feeds(client: Client, loop: Loop, day: int) -> Iterator[tuple[MadeUpUser, str, list[str]]]:
    """Yield each user, the id of the slate for the day's digest at eight o'clock, and the ids of its papers."""
    by_id = {user.user_id: user for user in loop.users}
    moment = at(FIRST_DAY + day * DAY + dt.timedelta(hours=8))
    request = StreamFeedsRequest(user_ids=list(by_id), digest_ids=[f"day{day}"], limit=SHOWN, as_of=moment)
    for answer in client.feeds.StreamFeeds(request, timeout=DEADLINE_SECONDS):
        slate = answer.slate
        yield by_id[slate.user_id], slate.slate_id, [item.paper.paper_id for item in slate.items]


def run_loop(
    url: str, bundle: Path, world: World, user_count: int, digest_count: int, paper_count: int, exploration: float
) -> Loop:
    """Send users with a few likes one digest a day, record their reactions, and store some more, unseen digests.

    One reaction in ten does not name its slate, as from a client that omits it.
    """
    loop = Loop(url, world, world.users(user_count), digest_count=digest_count)
    with serving(url, bundle=str(bundle), exploration=exploration) as service:
        _libraries(service.client, loop)
        for day in range(digest_count + UNSEEN):
            papers = world.papers(f"day{day}", paper_count)
            add_digest(service.client, loop, papers, day)
            if day < digest_count:
                _one_day(service.client, loop, day)
    return loop


def add_digest(client: Client, loop: Loop, papers: Sequence[MadeUpPaper], day: int) -> None:
    """Store the papers and their digest, named ``day<N>``."""
    loop.papers |= {paper.paper_id: paper for paper in papers}
    today = FIRST_DAY + day * DAY
    for start in range(0, len(papers), 200):
        upsert_ready(client, [_message(paper, today) for paper in papers[start : start + 200]])
    make_digest(client, [paper.paper_id for paper in papers], today.date().isoformat(), f"day{day}")


def _one_day(client: Client, loop: Loop, day: int) -> None:
    sent_at = FIRST_DAY + day * DAY + dt.timedelta(hours=9)
    events = []
    for number, (user, slate_id, shown) in enumerate(feeds(client, loop, day)):
        loop.slates.append((user, slate_id))
        events += [_event(user, paper_id, "sent", sent_at, slate_id) for paper_id in shown]
        for reaction in loop.world.reactions(user, loop.named(shown)):
            when = sent_at + dt.timedelta(hours=reaction.delay_hours)
            named = slate_id if (number + reaction.place) % 10 else ""
            events.append(_event(user, shown[reaction.place], reaction.kind, when, named))
    record_all(client, events)


def _libraries(client: Client, loop: Loop) -> None:
    events = []
    for name in FIELDS:
        papers = loop.world.papers(f"library-{name}", LIBRARY, name)
        upsert_ready(client, [_message(paper, FIRST_DAY - 60 * DAY) for paper in papers])
        for number, user in enumerate(user for user in loop.users if user.field == name):
            liked = [papers[(number + step) % LIBRARY] for step in range(LIKES)]
            events += [_event(user, paper.paper_id, "like", FIRST_DAY - 30 * DAY, "") for paper in liked]
    record_all(client, events)


def record_all(client: Client, events: Sequence[Event]) -> None:
    """Record the events in as many calls as needed."""
    for start in range(0, len(events), EVENTS_PER_CALL):
        part = RecordEventsRequest(events=events[start : start + EVENTS_PER_CALL])
        client.profiles.RecordEvents(part, timeout=DEADLINE_SECONDS)


def _event(user: MadeUpUser, paper_id: str, kind: str, when: dt.datetime, slate_id: str) -> Event:
    value = EventType.Value(f"EVENT_TYPE_{kind.upper()}")
    return Event(user_id=user.user_id, paper_id=paper_id, event_type=value, occurred_at=at(when), slate_id=slate_id)


def _message(paper: MadeUpPaper, today: dt.datetime) -> Paper:
    return Paper(
        paper_id=paper.paper_id,
        title=paper.title,
        abstract=paper.abstract,
        published_at=at(today - dt.timedelta(days=paper.age_days)),
        first_seen_at=at(today),
        upvotes=paper.upvotes,
    )


def _matrix(papers: Sequence[MadeUpPaper]) -> PaperMatrix:
    now = FIRST_DAY.timestamp()
    columns = paper_columns(
        [paper.paper_id for paper in papers],
        [paper.title for paper in papers],
        HashingEncoder().encode([embedding_text(paper.title, paper.abstract) for paper in papers]),
        abstracts=[paper.abstract for paper in papers],
        published_at=np.array([now - paper.age_days * 86_400 for paper in papers]),
        first_seen_at=np.full(len(papers), now),
    )
    signals = Signals.of([PaperSignals.of([(now, float(paper.upvotes))], []) for paper in papers])
    return spaces(columns.embeddings.shape[1]).matrix(columns).with_signals(signals)
