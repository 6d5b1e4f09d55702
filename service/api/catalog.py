"""Servicer of CatalogService."""

import datetime as dt

import grpc

from paperfeed.v1 import catalog_pb2 as pb
from paperfeed.v1 import catalog_pb2_grpc
from service.api import convert
from service.api.callers.audit import entry_of
from service.api.page_tokens import PageTokens, page_size
from service.app.catalog import MAX_DIGEST_PAPERS, Catalog
from service.domain.errors import InvalidField
from service.domain.search import MAX_FOUND, parse_query

MAX_WRITTEN_PAPERS = 1_000
MAX_WRITTEN_BYTES = 8_000_000
MAX_READ_PAPERS = 100


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """Serves papers and digests."""

    def __init__(self, catalog: Catalog, tokens: PageTokens) -> None:
        self._catalog = catalog
        self._tokens = tokens

    def UpsertPapers(self, request: pb.UpsertPapersRequest, context: grpc.ServicerContext) -> pb.UpsertPapersResponse:
        if (size := request.ByteSize()) > MAX_WRITTEN_BYTES:
            raise InvalidField("papers", f"the request has {size} bytes; at most {MAX_WRITTEN_BYTES} are allowed")
        papers = convert.to_papers(request.papers, "papers", at_least=1, at_most=MAX_WRITTEN_PAPERS)
        return pb.UpsertPapersResponse(
            results=[
                pb.UpsertPaperResult(paper_id=paper_id, outcome=convert.OUTCOMES[outcome])
                for paper_id, outcome in self._catalog.upsert(papers, request.update_mask.paths)
            ]
        )

    def GetPaper(self, request: pb.GetPaperRequest, context: grpc.ServicerContext) -> pb.GetPaperResponse:
        paper = self._catalog.get(convert.check_name(request.paper_id, "paper_id"))
        return pb.GetPaperResponse(paper=convert.from_paper(paper))

    def BatchGetPapers(
        self, request: pb.BatchGetPapersRequest, context: grpc.ServicerContext
    ) -> pb.BatchGetPapersResponse:
        names = convert.check_names(request.paper_ids, "paper_ids", at_least=1, at_most=MAX_READ_PAPERS)
        view = convert.check_view(request.view)
        papers = self._catalog.batch_get(names)
        return pb.BatchGetPapersResponse(papers=[convert.from_paper(paper, view) for paper in papers])

    def ListPapers(self, request: pb.ListPapersRequest, context: grpc.ServicerContext) -> pb.ListPapersResponse:
        limit, view = page_size(request.page_size), convert.check_view(request.view)
        position = self._tokens.read(request)
        papers = self._catalog.page(after=position[0] if position else "", limit=limit + 1)
        more = len(papers) > limit
        return pb.ListPapersResponse(
            papers=[convert.from_paper(paper, view) for paper in papers[:limit]],
            next_page_token=self._tokens.make(request, [papers[limit - 1].paper_id]) if more else "",
        )

    def SearchPapers(self, request: pb.SearchPapersRequest, context: grpc.ServicerContext) -> pb.SearchPapersResponse:
        query, view = parse_query(request.query), convert.check_view(request.view)
        position = self._tokens.read(request)
        offset = int(position[0]) if position else 0
        end = min(offset + page_size(request.page_size), MAX_FOUND)
        papers = self._catalog.search(query, offset=offset, limit=end - offset + 1)
        more = len(papers) > end - offset and end < MAX_FOUND
        return pb.SearchPapersResponse(
            papers=[convert.from_paper(paper, view) for paper in papers[: end - offset]],
            next_page_token=self._tokens.make(request, [end]) if more else "",
        )

    def DeletePaper(self, request: pb.DeletePaperRequest, context: grpc.ServicerContext) -> pb.DeletePaperResponse:
        paper_id = convert.check_name(request.paper_id, "paper_id")
        self._catalog.delete(paper_id, entry_of(context), allow_missing=request.allow_missing)
        return pb.DeletePaperResponse()

    def UpsertDigest(self, request: pb.UpsertDigestRequest, context: grpc.ServicerContext) -> pb.UpsertDigestResponse:
        digest = convert.to_digest(request.digest, "digest", at_most=MAX_DIGEST_PAPERS)
        digest, outcome = self._catalog.save_digest(digest)
        return pb.UpsertDigestResponse(digest=convert.from_digest(digest), outcome=convert.OUTCOMES[outcome])

    def DeleteDigest(self, request: pb.DeleteDigestRequest, context: grpc.ServicerContext) -> pb.DeleteDigestResponse:
        digest_id = convert.check_name(request.digest_id, "digest_id")
        self._catalog.delete_digest(digest_id, entry_of(context), allow_missing=request.allow_missing)
        return pb.DeleteDigestResponse()

    def GetDigest(self, request: pb.GetDigestRequest, context: grpc.ServicerContext) -> pb.GetDigestResponse:
        digest_id = convert.check_optional_name(request.digest_id, "digest_id")
        return pb.GetDigestResponse(digest=convert.from_digest(self._catalog.get_digest(digest_id)))

    def ListDigests(self, request: pb.ListDigestsRequest, context: grpc.ServicerContext) -> pb.ListDigestsResponse:
        limit, position = page_size(request.page_size), self._tokens.read(request)
        after = (dt.date.fromisoformat(position[0]), position[1]) if position else None
        found = self._catalog.digests(after=after, limit=limit + 1)
        last = found[limit - 1][0] if len(found) > limit else None
        return pb.ListDigestsResponse(
            digests=[convert.from_digest(digest, count) for digest, count in found[:limit]],
            next_page_token=self._tokens.make(request, [last.date.isoformat(), last.digest_id]) if last else "",
        )
