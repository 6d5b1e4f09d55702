"""More calls than the server takes."""

from collections import Counter
from collections.abc import Callable

import grpc

from paperfeed.v1.catalog_pb2 import UpsertPapersRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from tests.rpc.builders import make_papers, wait_until
from tests.rpc.servers import Service

THREADS, WAITING, CALLS = 2, 3, 12


def test_too_many_calls_are_shed_at_once_and_the_rest_succeed(start: Callable[..., Service]) -> None:
    """Of more calls than threads and waiting places, just those beyond get RESOURCE_EXHAUSTED, without waiting."""
    service = start(threads=THREADS, max_waiting_calls=WAITING)
    with service.application.store.write():  # holds every write up
        calls = [
            service.client.catalog.UpsertPapers.future(UpsertPapersRequest(papers=make_papers(1)), timeout=30)
            for _ in range(CALLS)
        ]
        wait_until(lambda: sum(call.done() for call in calls) == CALLS - THREADS - WAITING)
        early = Counter(call.code() for call in calls if call.done())

    codes = Counter(call.code() for call in calls)

    assert early == {grpc.StatusCode.RESOURCE_EXHAUSTED: CALLS - THREADS - WAITING}
    assert codes == {**early, grpc.StatusCode.OK: THREADS + WAITING}
    assert service.client.status.GetStatus(GetStatusRequest()).paper_count == THREADS + WAITING
