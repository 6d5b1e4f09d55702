"""Digests are written and listed. On each engine."""

from collections.abc import Callable

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import (
    WRITE_OUTCOME_CREATED,
    WRITE_OUTCOME_UNCHANGED,
    WRITE_OUTCOME_UPDATED,
    Digest,
    GetDigestRequest,
    ListDigestsRequest,
    UpsertDigestRequest,
)
from testing.calls import (
    fresh,
    make_digest,
    make_papers,
    on,
    upsert,
)
from testing.servers import Service


def test_digest_created_unchanged_replaced(client: Client) -> None:
    """UpsertDigest returns the outcome, and a replaced digest has the new papers only."""
    a, b, c = upsert(client, make_papers(3))
    digest = Digest(digest_id=fresh("digest"), date=on("2026-03-09"), title="Trending", source="hf-trending")

    def save(*paper_ids: str) -> tuple[int, list[str], int]:
        digest.paper_ids[:] = paper_ids
        answer = client.catalog.UpsertDigest(UpsertDigestRequest(digest=digest))
        return answer.outcome, list(answer.digest.paper_ids), answer.digest.paper_count

    assert save(b, a, b) == (WRITE_OUTCOME_CREATED, [b, a], 2)
    created_at = client.catalog.GetDigest(GetDigestRequest(digest_id=digest.digest_id)).digest.created_at
    assert save(b, a) == (WRITE_OUTCOME_UNCHANGED, [b, a], 2)
    assert save(c, a) == (WRITE_OUTCOME_UPDATED, [c, a], 2)

    digest.paper_count = 2
    digest.created_at.CopyFrom(created_at)
    assert client.catalog.GetDigest(GetDigestRequest(digest_id=digest.digest_id)).digest == digest


def test_digest_id_is_made_of_source_and_date(client: Client) -> None:
    """A digest without an id gets one from its source and date."""
    source = fresh("src")

    named = client.catalog.UpsertDigest(UpsertDigestRequest(digest=Digest(date=on("2026-02-01"), source=source)))
    plain = client.catalog.UpsertDigest(UpsertDigestRequest(digest=Digest(date=on("1990-01-01"))))

    assert named.digest.digest_id == f"{source}-2026-02-01"
    assert plain.digest.digest_id == "digest-1990-01-01"


def test_digests_are_listed_latest_first(start: Callable[..., Service]) -> None:
    """ListDigests returns digests by date, then id, over all pages, with the number of papers but not the papers."""
    client = start().client
    paper_ids = upsert(client, make_papers(2))
    for name, date in (("b", "2026-01-02"), ("a", "2026-01-02"), ("z", "2026-01-01"), ("m", "2026-01-03")):
        make_digest(client, paper_ids, date, name)

    listed = list(client.digests(ListDigestsRequest(page_size=1)))
    newest = client.catalog.GetDigest(GetDigestRequest()).digest

    assert [digest.digest_id for digest in listed] == ["m", "a", "b", "z"]
    assert [(list(digest.paper_ids), digest.paper_count) for digest in listed] == [([], 2)] * 4
    assert newest.digest_id == "m"
    assert list(newest.paper_ids) == paper_ids
