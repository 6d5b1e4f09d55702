"""Acknowledged events survive ``kill -9``."""

import contextlib
import threading
from pathlib import Path

import grpc
import pytest

from paperfeed.v1 import profile_pb2, profile_pb2_grpc
from tests.process.running import Server, eventually, running
from tests.process.samples import fill, likes

ROUNDS = 3
WRITERS = 8
EVENTS_PER_CALL = 3
BATCHES = 3
"""Every writer has had this many batches acknowledged when the server is killed."""


class Writer(threading.Thread):
    """Records batches of events, each with its own ids, until a call fails.

    Attributes:
        batches: The event ids of every batch, by its number.
        liked: The papers of the last batch.
    """

    def __init__(self, server: Server, name: str, paper_ids: list[str]) -> None:
        super().__init__(name=name)
        self.batches: dict[int, list[str]] = {}
        self.liked: list[str] = []
        self.acknowledged: set[str] = set()
        self.failure: grpc.StatusCode | None = None
        self._server = server
        self._paper_ids = paper_ids

    @property
    def user_id(self) -> str:
        return f"user-{self.name}"

    def run(self) -> None:
        with grpc.insecure_channel(self._server.address) as channel:
            record = profile_pb2_grpc.ProfileServiceStub(channel).RecordEvents
            while self.failure is None:
                number = len(self.batches)
                ids = [f"{self.name}-{number}-{i}" for i in range(EVENTS_PER_CALL)]
                self.batches[number] = ids
                self.liked = [self._paper_ids[(number + i) % len(self._paper_ids)] for i in range(EVENTS_PER_CALL)]
                try:
                    answer = record(likes(self.user_id, self.liked, event_ids=ids), timeout=20)
                except grpc.RpcError as error:
                    self.failure = error.code()
                else:
                    self.acknowledged.update(answer.event_ids)


def exported_event_ids(server: Server, user_id: str) -> set[str]:
    """Return the ids of all events that ExportUser returns."""
    with server.client() as client:
        records = list(client.profiles.ExportUser(profile_pb2.ExportUserRequest(user_id=user_id)))
    ids = [record.event.event_id for record in records if record.WhichOneof("record") == "event"]
    assert len(ids) == len(set(ids))
    return set(ids)


@pytest.mark.slow
def test_acknowledged_events_survive_kill(db_url: str, tmp_path: Path) -> None:
    """Every event acknowledged to eight writers before kill -9 is there after a restart, and no batch is half there."""
    writers: list[Writer] = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(tmp_path, db_url))
        with server.client() as client:
            paper_ids = fill(client)
        for round_number in range(ROUNDS):
            present = [Writer(server, f"{round_number}-{i}", paper_ids) for i in range(WRITERS)]
            for writer in present:
                writer.start()
            assert eventually(lambda present=present: all(len(writer.batches) > BATCHES for writer in present))
            server.kill()
            for writer in present:
                writer.join(timeout=30)
                assert not writer.is_alive()
            writers += present
            assert {writer.failure for writer in present} == {grpc.StatusCode.UNAVAILABLE}
            assert all(writer.acknowledged for writer in present)
            server = stack.enter_context(running(tmp_path, db_url))
            for writer in writers:
                exported = exported_event_ids(server, writer.user_id)
                assert writer.acknowledged <= exported
                for ids in writer.batches.values():
                    assert len(exported.intersection(ids)) in {0, EVENTS_PER_CALL}
                assert len(exported) <= len(writer.acknowledged) + EVENTS_PER_CALL


@pytest.mark.slow
def test_repeating_the_unanswered_call_counts_once(sqlite_url: str, tmp_path: Path) -> None:
    """A call cut off by kill -9 can be repeated: its events are stored once, whether or not they were before."""
    with running(tmp_path, sqlite_url) as server:
        with server.client() as client:
            paper_ids = fill(client)
        writer = Writer(server, "w", paper_ids)
        writer.start()
        assert eventually(lambda: len(writer.batches) > BATCHES)
        server.kill()
        writer.join(timeout=30)
    unanswered = writer.batches[max(writer.batches)]
    with running(tmp_path, sqlite_url) as server:
        with server.client() as client:
            answer = client.profiles.RecordEvents(likes(writer.user_id, writer.liked, event_ids=unanswered))
        assert answer.recorded_count in {0, EVENTS_PER_CALL}
        assert answer.recorded_count + answer.duplicate_count == EVENTS_PER_CALL
        assert exported_event_ids(server, writer.user_id) == writer.acknowledged | set(unanswered)
