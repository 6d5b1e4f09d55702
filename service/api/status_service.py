"""Servicer of StatusService, which ``paperfeed status`` calls."""

import importlib.metadata
import time
from collections.abc import Callable

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code

from paperfeed.v1 import status_pb2 as pb
from paperfeed.v1 import status_pb2_grpc
from paperfeed.v1.feed_pb2 import FallbackReason
from service.api import convert
from service.app.counters import Counters
from service.app.models.rollout import Rollout
from service.app.ranking.serving import ServingSlot
from service.app.storage_probe import StorageProbe


class StatusServicer(status_pb2_grpc.StatusServiceServicer):
    """Serves the state and the counters of the process.

    Args:
        call_count: Returns the number of calls that run or wait.
        paper_counts: Finds the number of papers and the number of pending papers.
        rollout: Follows the model registry; None without a registry.
        place: (number from 1, count) of this process among the processes on its port.
    """

    def __init__(
        self,
        counters: Counters,
        serving: ServingSlot,
        *,
        call_count: Callable[[], int],
        paper_counts: StorageProbe[tuple[int, int]],
        place: tuple[int, int],
        rollout: Rollout | None = None,
    ) -> None:
        self._counters = counters
        self._serving = serving
        self._call_count = call_count
        self._paper_counts = paper_counts
        self._worker, self._worker_count = place
        self._rollout = rollout
        self._started = time.monotonic()
        self._version = importlib.metadata.version("paperfeed")

    def GetStatus(self, request: pb.GetStatusRequest, context: grpc.ServicerContext) -> pb.GetStatusResponse:
        uptime = Duration()
        uptime.FromMilliseconds(int((time.monotonic() - self._started) * 1_000))
        serving, statistics = self._serving.current, self._serving.statistics
        canary = self._serving.canary
        queues, paper_count = {"calls": self._call_count()}, 0
        # The problem is part of the status, so the call succeeds.
        counts, storage_problem = self._paper_counts.find()
        if counts is not None:
            paper_count, queues["embedding"] = counts
        return pb.GetStatusResponse(
            version=self._version,
            uptime=uptime,
            model_version=serving.bundle.version if serving.bundle else "",
            model_problem=serving.problem,
            is_ready=self._serving.is_ready,
            canary_model_version=canary.version if canary else "",
            canary_share=canary.share if canary else 0.0,
            model_load_problem=self._rollout.problem if self._rollout else "",
            encoder=serving.encoder,
            paper_count=paper_count,
            storage_problem=storage_problem,
            statistics_version=statistics.version if statistics else 0,
            statistics_counted_at=convert.to_timestamp(statistics.counted_at) if statistics else None,
            statistics_paper_count=statistics.paper_count if statistics else 0,
            worker=self._worker,
            worker_count=self._worker_count,
            calls=[
                pb.CallCount(method=method, code=Code.Value(code), count=count)
                for method, code, count in self._counters.calls()
            ],
            fallbacks=[
                pb.FallbackCount(reason=FallbackReason.Value(f"FALLBACK_REASON_{reason}"), count=count)
                for reason, count in self._counters.fallbacks()
            ],
            stale_feed_count=self._counters.stale_count,
            queues=[pb.QueueLength(queue=name, length=length) for name, length in sorted(queues.items())],
        )
