"""Calls of CatalogService for tests."""

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import (
    GetPaperRequest,
    Paper,
    UpsertPapersRequest,
)


def get(client: Client, name: str) -> Paper:
    return client.catalog.GetPaper(GetPaperRequest(paper_id=name)).paper


def write(client: Client, *papers: Paper) -> list[tuple[str, int]]:
    results = client.catalog.UpsertPapers(UpsertPapersRequest(papers=papers)).results
    return [(result.paper_id, result.outcome) for result in results]
