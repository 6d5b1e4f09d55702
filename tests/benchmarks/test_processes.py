"""Client processes that call a real server."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from benchmarks.serving.processes import Callers

STALL_SECONDS = 0.5


class Slow:
    """A server of one thread that stalls once, at the 20th call, and fails the request ``fail``."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.server = grpc.server(ThreadPoolExecutor(1))
        handler = grpc.unary_unary_rpc_method_handler(self._answer)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Slow", {"Ask": handler}),))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.heard.append(request)
        if request == b"fail":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "as requested")
        if len(self.heard) == 20:
            time.sleep(STALL_SECONDS)
        return b"answer"


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.server.stop(None).wait()


@pytest.fixture
def callers(request: pytest.FixtureRequest) -> Iterator[Callers]:
    made = Callers(2, request.param)
    yield made
    made.close()


@pytest.mark.parametrize("callers", [[b"a", b"b", b"c", b"d"]], indirect=True)
def test_clients_begin_with_different_requests(slow: Slow, callers: Callers) -> None:
    """Clients send the requests in turn from different starts, and before each call a ``before`` request if given."""
    heard = callers.run({"address": slow.address, "method": "/test.Slow/Ask", "calls": 2})

    assert len(heard.all_succeeded().milliseconds) == 4
    assert sorted(slow.heard) == [b"a", b"b", b"c", b"d"]

    before = {"before_method": "/test.Slow/Ask", "before": [b"first".hex(), b"first".hex()]}
    heard = callers.run({"address": slow.address, "method": "/test.Slow/Ask", "calls": 2, **before})

    assert len(heard.milliseconds) == 4
    assert slow.heard.count(b"first") == 4


@pytest.mark.parametrize("callers", [[b"a"]], indirect=True)
def test_wait_counts_from_when_a_call_was_due(slow: Slow, callers: Callers) -> None:
    """All calls that were due while the server stalled are late, not only the one that it held."""
    start = time.monotonic() + 0.1
    job = {"start": start, "end": start + 1.0, "rate": 40.0}

    heard = callers.run({"address": slow.address, "method": "/test.Slow/Ask", **job})

    late = [each for each in heard.milliseconds if each > STALL_SECONDS * 1_000 / 2]
    assert len(heard.milliseconds) == len(slow.heard) > 40
    # 80 calls a second for half of the stall are about 20.
    assert len(late) > 5


@pytest.mark.parametrize("callers", [[b"a", b"fail"]], indirect=True)
def test_failures_are_counted_by_code(slow: Slow, callers: Callers) -> None:
    """Failed calls are counted and not timed, and ``all_succeeded`` raises an error that names their code."""
    heard = callers.run({"address": slow.address, "method": "/test.Slow/Ask", "calls": 2})

    assert heard.failures == {"RESOURCE_EXHAUSTED": 2}
    assert len(heard.milliseconds) == 2
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        heard.all_succeeded()
