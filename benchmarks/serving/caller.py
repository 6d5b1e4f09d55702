"""A program that is one client of a measured server: it sends serialized requests and measures the calls.

It reads JSON objects, one a line. The first is ``{"requests": [hex, ...]}``. Each further line is a job, with the keys

- ``address`` and ``method``: the server and the method to call;
- ``calls``: the number of calls, one after another; or ``start`` and ``end``: the times of time.monotonic (which
  processes share) between which to call, one after another, or with ``rate`` (calls a second) at random times, even if
  earlier calls are not answered;
- ``before``: requests (hex) to ``before_method``; one is sent before each call and not measured;
- ``offset``: the index of the first request; by default the one after the last;
- ``seed``: the seed of the random times.

It answers each job with a line ``{"ends": [...], "milliseconds": [...], "failures": {code: count}}``. At a rate, the
time of a call counts from when it was due, so it includes the wait behind slow calls.
"""

import json
import random
import sys
import threading
import time
from collections import Counter
from typing import Any

import grpc

TIMEOUT_SECONDS = 30.0


class Caller:
    """A client that sends the requests in turn."""

    def __init__(self, requests: list[bytes]) -> None:
        self._requests = requests
        self._next = 0
        self._channels: dict[str, grpc.Channel] = {}
        self._ends: list[float] = []
        self._milliseconds: list[float] = []
        self._failures: Counter[str] = Counter()

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Do one job and return the answer."""
        self._ends, self._milliseconds, self._failures = [], [], Counter()
        call = self._method(job["address"], job["method"])
        self._next = job.get("offset", self._next)
        if "calls" in job:
            before = [bytes.fromhex(each) for each in job.get("before", ())]
            first = self._method(job["address"], job["before_method"]) if before else None
            for turn in range(job["calls"]):
                if first is not None:
                    first(before[turn], timeout=TIMEOUT_SECONDS)
                self._one(call)
        elif "rate" in job:
            self._at_rate(call, job["start"], job["end"], job["rate"], random.Random(job["seed"]))
        else:
            _sleep_until(job["start"])
            while time.monotonic() < job["end"]:
                self._one(call)
        return {"ends": self._ends, "milliseconds": self._milliseconds, "failures": self._failures}

    def _method(self, address: str, method: str) -> grpc.UnaryUnaryMultiCallable:
        if address not in self._channels:
            self._channels[address] = grpc.insecure_channel(address)
        return self._channels[address].unary_unary(method)

    def _request(self) -> bytes:
        self._next += 1
        return self._requests[(self._next - 1) % len(self._requests)]

    def _one(self, call: grpc.UnaryUnaryMultiCallable) -> None:
        request, began = self._request(), time.monotonic()
        try:
            call(request, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            self._failures[error.code().name] += 1
        else:
            self._keep(began)

    def _keep(self, began: float) -> None:
        end = time.monotonic()
        self._ends.append(end)
        self._milliseconds.append((end - began) * 1_000)

    def _at_rate(
        self, call: grpc.UnaryUnaryMultiCallable, start: float, end: float, rate: float, chance: random.Random
    ) -> None:
        waiting, left = threading.Semaphore(0), 0
        due = start + chance.expovariate(rate)
        while due < end:
            _sleep_until(due)
            future = call.future(self._request(), timeout=TIMEOUT_SECONDS)
            future.add_done_callback(lambda done, due=due: (self._ended(done, due), waiting.release()))
            left += 1
            due += chance.expovariate(rate)
        for _ in range(left):
            waiting.acquire()

    def _ended(self, done: grpc.Future, due: float) -> None:
        if done.exception() is None:
            self._keep(due)
        else:
            self._failures[done.code().name] += 1


def _sleep_until(moment: float) -> None:
    if (left := moment - time.monotonic()) > 0:
        time.sleep(left)


def main() -> None:
    """Do the jobs until the input ends."""
    caller = Caller([bytes.fromhex(each) for each in json.loads(sys.stdin.readline())["requests"]])
    for line in sys.stdin:
        print(json.dumps(caller.run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
