"""A program that sends GetFeed calls to a server, from a number of callers or at a rate.

    python -m benchmarks.serving.driver ADDRESS USERS SECONDS callers 16
    python -m benchmarks.serving.driver ADDRESS USERS SECONDS rate 250
    python -m benchmarks.serving.driver ADDRESS USERS 0 once 8        # one call for each user, to load the profiles

It prints one line of JSON with a ``Call`` for each call. It uses one asyncio loop and serializes the requests before,
because it shares the processor with the server.
"""

import asyncio
import collections
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass

import grpc
import numpy as np

from paperfeed.client import error_details
from paperfeed.v1 import catalog_pb2, feed_pb2

METHOD = "/paperfeed.v1.FeedService/GetFeed"
DEADLINE_SECONDS = 10.0
ANSWERED, FALLEN_BACK, REFUSED = "OK", "OK, precomputed slate (OVERLOAD)", "RESOURCE_EXHAUSTED with RetryInfo"
Call = tuple[float, float, str]
"""(seconds from the start until the call was due, seconds from then until its end, outcome)."""


@dataclass(frozen=True)
class Calls:
    """The calls of one run of the driver."""

    calls: list[Call]

    def after(self, seconds: float) -> "Calls":
        """Return the calls that were due after so many seconds."""
        return Calls([call for call in self.calls if call[0] >= seconds])

    @property
    def accepted(self) -> list[float]:
        """Return the seconds of each successful call."""
        return [seconds for _, seconds, kind in self.calls if kind.startswith(ANSWERED)]

    @property
    def failed(self) -> int:
        """Return the number of calls without an answer."""
        return len(self.calls) - len(self.accepted)

    @property
    def outcomes(self) -> dict[str, int]:
        """Return the number of calls with each outcome, the most frequent first."""
        return dict(collections.Counter(kind for _, _, kind in self.calls).most_common())

    def percentile(self, percent: float) -> float:
        """Return a percentile of the successful calls in milliseconds; NaN if there are none."""
        return 1_000 * float(np.percentile(self.accepted, percent)) if self.accepted else float("nan")


def drive(address: str, users: int, seconds: float, how: str, much: float) -> Calls:
    """Run the driver in a process and return its calls."""
    command = [sys.executable, "-m", "benchmarks.serving.driver", address, str(users), str(seconds), how, str(much)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Calls([(due, took, kind) for due, took, kind in json.loads(done.stdout)])


class _Driver:
    def __init__(self, channel: grpc.aio.Channel, users: int) -> None:
        self._call = channel.unary_unary(METHOD)
        self._requests = [
            feed_pb2.GetFeedRequest(
                user_id=f"u{number:08d}", page_size=20, explain=True, view=catalog_pb2.PAPER_VIEW_BASIC
            ).SerializeToString()
            for number in range(users)
        ]
        self._random = random.Random(1)
        self._began = time.monotonic()
        self.calls: list[Call] = []

    async def one(self, due: float) -> None:
        request = self._random.choice(self._requests)
        try:
            answer = await self._call(request, timeout=DEADLINE_SECONDS)
            took = time.monotonic() - self._began - due
            reason = feed_pb2.GetFeedResponse.FromString(answer).slate.fallback_reason
            kind = FALLEN_BACK if reason == feed_pb2.FALLBACK_REASON_OVERLOAD else ANSWERED
        except grpc.aio.AioRpcError as error:
            took = time.monotonic() - self._began - due
            kind = f"{error.code().name}{'' if error_details(error).retry_after_seconds is None else ' with RetryInfo'}"
        self.calls.append((round(due, 4), round(took, 5), kind))

    async def callers(self, count: int, seconds: float) -> None:
        async def work() -> None:
            while (now := time.monotonic() - self._began) < seconds:
                await self.one(now)

        await asyncio.gather(*(work() for _ in range(count)))

    async def once(self, count: int) -> None:
        left = list(range(len(self._requests)))

        async def work() -> None:
            while left:
                await self._call(self._requests[left.pop()])

        await asyncio.gather(*(work() for _ in range(count)))

    async def rate(self, per_second: float, seconds: float) -> None:
        """Send calls like independent callers, with exponential gaps."""
        due, running = 0.0, set()
        while (due := due + self._random.expovariate(per_second)) < seconds:
            if (early := due - (time.monotonic() - self._began)) > 0:
                await asyncio.sleep(early)
            running.add(task := asyncio.create_task(self.one(due)))
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)


async def _main(address: str, users: int, seconds: float, how: str, much: float) -> list[Call]:
    async with grpc.aio.insecure_channel(address) as channel:
        await asyncio.wait_for(channel.channel_ready(), 20)
        driver = _Driver(channel, users)
        if how == "once":
            await driver.once(int(much))
        elif how == "callers":
            await driver.callers(int(much), seconds)
        else:
            await driver.rate(much, seconds)
        return driver.calls


if __name__ == "__main__":
    target, count, length, kind, size = sys.argv[1:]
    print(json.dumps(asyncio.run(_main(target, int(count), float(length), kind, float(size)))))
