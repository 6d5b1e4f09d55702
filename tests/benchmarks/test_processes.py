"""Clients of a server under measurement: real processes, a real server."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from benchmarks.serving.processes import Callers

STALL_SECONDS = 0.5


class Slow:
    """A server of one thread that stalls once, and fails calls that say so."""

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
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "told to")
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
def test_each_begins_elsewhere(slow: Slow, callers: Callers) -> None:
    """Clients go through the requests in turn, from places apart, and send another before each if told to."""
    heard = callers.run({"address": slow.address, "method": "/test.Slow/Ask", "calls": 2})

    assert len(heard.all_succeeded().milliseconds) == 4
    assert sorted(slow.heard) == [b"a", b"b", b"c", b"d"]

    before = {"before_method": "/test.Slow/Ask", "before": [b"first".hex(), b"first".hex()]}
    heard = callers.run({"address": slow.address, "method": "/test.Slow/Ask", "calls": 2, **before})

    assert len(heard.milliseconds) == 4
    assert slow.heard.count(b"first") == 4


@pytest.mark.parametrize("callers", [[b"a"]], indirect=True)
def test_wait_counts_from_when_a_call_was_due(slow: Slow, callers: Callers) -> None:
    """All that were due while the server stalled say so, not only the one that it held."""
    start = time.monotonic() + 0.2
    job = {"start": start, "end": start + 1.5, "rate": 40.0}

    heard = callers.run({"address": slow.address, "method": "/test.Slow/Ask", **job})

    late = [each for each in heard.milliseconds if each > STALL_SECONDS * 1_000 / 2]
    assert len(heard.milliseconds) == len(slow.heard) > 60
    # 80 a second for half of the stall are 20, give or take chance.
    assert len(late) > 5


@pytest.mark.parametrize("callers", [[b"a", b"fail"]], indirect=True)
def test_failures_are_counted_by_code(slow: Slow, callers: Callers) -> None:
    """A refused call has no time, and whoever needs all calls to succeed hears of it."""
    heard = callers.run({"address": slow.address, "method": "/test.Slow/Ask", "calls": 2})

    assert heard.failures == {"RESOURCE_EXHAUSTED": 2}
    assert len(heard.milliseconds) == 2
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        heard.all_succeeded()
