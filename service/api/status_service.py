"""StatusService: what ``paperfeed status`` prints."""

import time
from collections.abc import Callable

import grpc
from google.protobuf.duration_pb2 import Duration

from paperfeed.v1 import status_pb2 as pb
from paperfeed.v1 import status_pb2_grpc
from service.app.counters import Counters
from service.app.serving import ServingSlot


class StatusServicer(status_pb2_grpc.StatusServiceServicer):
    """The process's counters over gRPC.

    Args:
        queues: Gives (name, length) of every queue now.
        paper_count: Gives the size of the catalog.
        place: (number from 1, count) of this process among those on its port.
    """

    def __init__(
        self,
        counters: Counters,
        serving: ServingSlot,
        *,
        queues: Callable[[], list[tuple[str, int]]],
        paper_count: Callable[[], int],
        version: str,
        place: tuple[int, int],
    ) -> None:
        self._counters = counters
        self._serving = serving
        self._queues = queues
        self._paper_count = paper_count
        self._version = version
        self._worker, self._worker_count = place
        self._started = time.monotonic()

    def GetStatus(self, request: pb.GetStatusRequest, context: grpc.ServicerContext) -> pb.GetStatusResponse:
        uptime = Duration()
        uptime.FromMilliseconds(int((time.monotonic() - self._started) * 1_000))
        serving = self._serving.current
        return pb.GetStatusResponse(
            version=self._version,
            uptime=uptime,
            model_version=serving.bundle.version if serving.bundle else "",
            model_problem=serving.problem,
            encoder=serving.encoder,
            paper_count=self._paper_count(),
            worker=self._worker,
            worker_count=self._worker_count,
            calls=[pb.CallCount(method=m, code=code, count=count) for m, code, count in self._counters.calls()],
            fallbacks=[pb.FallbackCount(reason=reason, count=count) for reason, count in self._counters.fallbacks()],
            queues=[pb.QueueLength(queue=name, length=length) for name, length in sorted(self._queues())],
        )
