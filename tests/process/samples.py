"""Papers, likes and spaces for the tests of the running server."""

import datetime as dt

import numpy as np

from paperfeed.client import Client
from paperfeed.v1 import catalog_pb2, profile_pb2
from testing.calls import on
from testing.papers import random_text


def papers(count: int, *, prefix: str = "p") -> list[catalog_pb2.Paper]:
    """Return papers made of a few common words."""
    rng = np.random.default_rng(4)
    return [
        catalog_pb2.Paper(
            paper_id=f"{prefix}{i}",
            title=f"{prefix} {i}: " + random_text(rng, 6),
            abstract=random_text(rng, 80),
        )
        for i in range(count)
    ]


def fill(client: Client, count: int = 40) -> list[str]:
    """Store papers and today's digest of them; return their ids."""
    stored = client.catalog.UpsertPapers(catalog_pb2.UpsertPapersRequest(papers=papers(count)))
    ids = [result.paper_id for result in stored.results]
    digest = catalog_pb2.Digest(digest_id="today", date=on(dt.datetime.now(dt.UTC).date()), paper_ids=ids)
    client.catalog.UpsertDigest(catalog_pb2.UpsertDigestRequest(digest=digest))
    return ids


def likes(user_id: str, paper_ids: list[str], *, event_ids: list[str] | None = None) -> profile_pb2.RecordEventsRequest:
    """Return a request that records likes of the papers."""
    return profile_pb2.RecordEventsRequest(
        events=[
            profile_pb2.Event(
                event_id=event_ids[i] if event_ids else "",
                user_id=user_id,
                paper_id=paper_id,
                event_type=profile_pb2.EVENT_TYPE_LIKE,
            )
            for i, paper_id in enumerate(paper_ids)
        ]
    )
