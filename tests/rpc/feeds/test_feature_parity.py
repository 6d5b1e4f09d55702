"""Served features equal training rows up to rounding. On each engine."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from data_sets.database import read_database
from paperfeed.v1.feed_pb2 import GetFeedRequest
from ranker.bundle.bundle import Bundle
from ranker.features import SCHEMA
from ranker.score import best_first
from ranker.spaces.spaces import Spaces
from ranker.types import Float32Array
from service.app.ranking.signals import user_code
from service.domain.feeds import Slate
from service.encoder import HashingEncoder
from testing.calls import MONDAY, at, fresh, make_digest, make_papers, record, upsert, upsert_ready
from testing.papers import TOPICS
from testing.ranker import assert_close
from testing.servers import Service
from training.data.catalogs import DatasetPapers
from training.data.cross_fitting import NO_FOLD
from training.data.query_groups import Query
from training.data.rows import feature_rows
from training.data.snapshot import Dataset
from training.progress import silent
from training.recipes import Hiding, Simulated, find_recipe

AS_OF = MONDAY + dt.timedelta(days=9)
USERS = 5
NOTHING_HIDDEN = Hiding(0.0, 0.0, 0.0, (), 0.0)
RECIPE = replace(
    find_recipe("tiny"),
    catalog_sizes=(0,),
    undated_hiding=NOTHING_HIDDEN,
    simulated=Simulated(follows_share=0, dislikes_share=0, crowd_share=0),
)
"""Training rows in which nothing is hidden or simulated, in the spaces of the bundle as they are."""


@pytest.fixture
def slates(each_engine: Service) -> dict[str, Slate]:
    """Stored slates of several users of one digest, whose papers partly lack upvotes or dates.

    All users like and save papers outside the digest and dislike one. They and other users also click and like papers
    of the digest, so that there are trends.
    """
    service, client = each_engine, each_engine.client
    shown = [
        paper
        for topic in TOPICS
        for i, paper in enumerate(
            make_papers(9, topic, categories=[f"cs.{topic}", "cs.all"], published_at=at(MONDAY - dt.timedelta(days=2)))
        )
    ]
    for number, paper in enumerate(shown):
        if number % 3:
            paper.upvotes = number
        if number % 7 == 0:
            paper.ClearField("published_at")
    shown_ids = upsert_ready(client, shown)
    for number, paper in enumerate(shown[:10]):
        paper.upvotes = 100 + number
    upsert(client, shown[:10])
    digest = make_digest(client, shown_ids)
    users = [fresh("user") for _ in range(USERS)]
    for number, user in enumerate(users):
        topics = [list(TOPICS)[(number + step) % len(TOPICS)] for step in range(2)]
        liked = upsert_ready(client, [p for t in topics for p in make_papers(3 + 4 * number, t, categories=["cs.all"])])
        record(client, user, "like", *liked[1:-1], when=MONDAY - dt.timedelta(days=number))
        record(client, user, "save", liked[-1], when=MONDAY + dt.timedelta(days=1))
        record(client, user, "dislike", liked[0], when=MONDAY + dt.timedelta(days=1))
        record(client, fresh("other"), "like", *shown_ids[number::7], when=MONDAY + dt.timedelta(days=2))
        record(client, user, "click", *shown_ids[number : number + 6], when=MONDAY + dt.timedelta(days=3))
    found = {}
    for user in users:
        request = GetFeedRequest(user_id=user, digest_id=digest, as_of=at(AS_OF), page_size=100, diversity=0.0)
        slate_id = client.feeds.GetFeed(request).slate.slate_id
        with service.application.store.read() as tx:
            slate = tx.slates.find(slate_id, with_features=True)
        assert slate is not None
        assert {item.paper_id for item in slate.items} == set(shown_ids)
        digest_order = {paper_id: place for place, paper_id in enumerate(shown_ids)}
        order = sorted(range(len(slate.items)), key=lambda place: digest_order[slate.items[place].paper_id])
        features = stored_features(slate)[order].tobytes()
        found[user] = replace(slate, items=tuple(slate.items[place] for place in order), features=features)
    return found


def stored_features(slate: Slate) -> Float32Array:
    """Return one row of features per item."""
    return np.frombuffer(slate.features, "<f4").astype(np.float32).reshape(len(slate.items), -1)


def query_of(dataset: Dataset, user_id: str, slate: Slate) -> Query:
    """Return the training query of the same user, candidates and time."""
    assert dataset.user_codes is not None
    row_of = {paper_id: row for row, paper_id in enumerate(dataset.papers.paper_ids)}
    user = int(np.flatnonzero(dataset.user_codes == user_code(user_id))[0])
    candidates = np.array([row_of[item.paper_id] for item in slate.items], dtype=np.intp)
    own, against = dataset.likes.of_user(user), dataset.dislikes.of_user(user)
    return Query(
        user,
        candidates,
        np.zeros(len(candidates), dtype=np.bool_),
        dataset.likes.papers[own],
        dataset.likes.liked_at[own],
        slate.as_of.timestamp(),
        disliked=dataset.dislikes.papers[against],
    )


def test_equal_up_to_rounding(each_engine: Service, slates: dict[str, Slate]) -> None:
    """Served features equal those of the training rows, and the model gives them the scores and ranks served."""
    bundle = each_engine.application.serving.current.bundle
    assert isinstance(bundle, Bundle)
    dataset = read_database(each_engine.url, HashingEncoder.name)
    # The statistics in use are the prior, to which a catalog without papers adds nothing.
    spaces = Spaces(bundle.spaces.statistics, bundle.spaces.topics)
    papers = DatasetPapers(dataset, spaces, {NO_FOLD: bundle.spaces.factor_map}, None)
    queries = [(papers, query_of(dataset, user, slate)) for user, slate in slates.items()]
    rows = feature_rows(queries, RECIPE, np.random.default_rng(0), silent)
    served = np.concatenate([stored_features(slate) for slate in slates.values()])

    for family in SCHEMA.families:
        columns = SCHEMA.columns_of(family)
        assert np.isfinite(served[:, columns]).any(), family
        assert_close(served[:, columns], rows.features[:, columns])

    scores = bundle.model.scores(served, bundle.model.leaves(served))
    assert_close(scores, [item.score for slate in slates.values() for item in slate.items])
    stops = np.cumsum(rows.group_sizes)
    for slate, stop, size in zip(slates.values(), stops, rows.group_sizes, strict=True):
        ids = [item.paper_id for item in slate.items]
        id_ranks = np.argsort(np.argsort(ids))
        order = best_first(scores[stop - size : stop], id_ranks)
        assert [slate.items[row].rank for row in order] == list(range(1, size + 1))
