"""Puts GetFeed calls on a server, from a process of its own: so many callers, or so many calls a second.

    python -m benchmarks.serving.driver ADDRESS READERS SECONDS callers 16
    python -m benchmarks.serving.driver ADDRESS READERS SECONDS rate 250
    python -m benchmarks.serving.driver ADDRESS READERS 0 once 8        # each reader once, so that their profiles are in memory

Prints one line of JSON: for each call when it was due, how long it took from then, and what became of it. One asyncio
loop and requests serialised ahead, so that the load costs little of the processor that it shares with the server.
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
ANSWERED, FALLEN_BACK, SHED = "OK", "OK, slate made ahead (OVERLOAD)", "RESOURCE_EXHAUSTED with RetryInfo"
Call = tuple[float, float, str]
"""(seconds from the start at which it was due, seconds that it took, what became of it)."""


@dataclass(frozen=True)
class Calls:
    """What became of calls."""

    calls: list[Call]

    def after(self, seconds: float) -> "Calls":
        """Those that were due later than that."""
        return Calls([call for call in self.calls if call[0] >= seconds])

    @property
    def accepted(self) -> list[float]:
        """Seconds that each call with an answer took."""
        return [seconds for _, seconds, kind in self.calls if kind.startswith(ANSWERED)]

    @property
    def kinds(self) -> dict[str, int]:
        """How many calls ended how."""
        return dict(collections.Counter(kind for _, _, kind in self.calls).most_common())

    def percentile(self, percent: float) -> float:
        """Milliseconds within which so many of the accepted calls were answered; NaN without any."""
        return 1_000 * float(np.percentile(self.accepted, percent)) if self.accepted else float("nan")


def drive(address: str, users: int, seconds: float, how: str, much: float) -> Calls:
    """Runs a driver and waits for it."""
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
            reason = feed_pb2.GetFeedResponse.FromString(answer).fallback_reason
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
        """Independent callers: gaps between two calls are exponential."""
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
