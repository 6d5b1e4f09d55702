"""The worker process with the hashing encoder. SIGSTOP freezes it where it must be slow."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.domain.errors import DeadlineTooShort, EncoderUnavailable, Overloaded
from service.encoder.hashing import HashingEncoder
from service.encoder.models import EncoderModel
from service.encoder.process import SLICE_TEXTS, EncoderProcess
from tests.service.encoder.lifecycle import InThread, frozen, hashing_process, runs, wait_until

TEXTS = [f"paper {i} about " + "graphs " * (i * 7 % 50) for i in range(3 * SLICE_TEXTS + 5)]


@pytest.fixture
def encoder() -> Iterator[EncoderProcess]:
    """An encoder whose process is not started yet."""
    opened = hashing_process()
    yield opened
    opened.close()


def test_vectors_are_those_of_the_encoder_in_order(encoder: EncoderProcess) -> None:
    """Texts of any length, in several slices, get the same vectors as from the encoder without a process."""
    assert np.allclose(encoder.encode(TEXTS), HashingEncoder().encode(TEXTS), atol=1e-6)
    assert np.allclose(encoder.encode_in_background(TEXTS), HashingEncoder().encode(TEXTS), atol=1e-6)


def test_nothing_runs_before_the_first_text(encoder: EncoderProcess) -> None:
    """The process starts with the first call, and the next call uses it."""
    pids = [encoder.pid]
    for text in ("a", "b"):
        encoder.encode([text])
        pids.append(encoder.pid)

    assert pids[0] is None
    assert pids[1] == pids[2] is not None


def test_no_texts_give_an_empty_matrix(encoder: EncoderProcess) -> None:
    """No texts give shape (0, dim) with the dimension of the model."""
    assert encoder.encode([]).shape == (0, 384)


def test_text_that_is_no_text_is_embedded(encoder: EncoderProcess) -> None:
    """NUL, lone surrogates and very long texts get vectors."""
    assert encoder.encode(["\x00", "\ud800", "", "word " * 20_000]).shape == (4, 384)


def test_a_killed_process_is_replaced(encoder: EncoderProcess) -> None:
    """After kill -9 the next call works."""
    encoder.encode(["a"])
    first = encoder.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    assert encoder.encode(["b"]).shape == (1, 384)
    assert encoder.pid != first


def test_a_process_killed_at_work_loses_nothing(encoder: EncoderProcess) -> None:
    """After kill -9 in the middle of a call, the slice is repeated and the call returns the right rows."""
    with frozen(encoder) as pid:
        call = InThread(lambda: encoder.encode(TEXTS))
        assert wait_until(lambda: encoder._child is not None and bool(encoder._child._awaited))
        os.kill(pid, signal.SIGKILL)

        assert np.allclose(call.result(), HashingEncoder().encode(TEXTS), atol=1e-6)  # type: ignore[arg-type]


def test_a_late_reply_is_dropped(encoder: EncoderProcess) -> None:
    """A call that times out fails while the process is frozen; the next call gets its own vectors."""
    long = ["late " * 20_000] * 20
    with frozen(encoder) as pid:
        with pytest.raises(DeadlineTooShort):
            encoder.encode(long, timeout_seconds=0.2)
        with pytest.raises(DeadlineTooShort):
            encoder.encode(["also late"], timeout_seconds=0.05)
    vectors = encoder.encode(["mine"])

    assert np.allclose(vectors, HashingEncoder().encode(["mine"]), atol=1e-6)
    assert encoder.pid == pid


def test_a_process_that_hangs_is_replaced() -> None:
    """A process that does not answer in time is killed, and the call continues with a new one."""
    encoder = hashing_process()
    with frozen(encoder) as pid:
        assert encoder._child is not None
        encoder._child._hang_seconds = 0.2
        assert encoder.encode(["a"]).shape == (1, 384)
        assert not runs(pid)
    encoder.close()


def test_too_many_calls_are_shed() -> None:
    """Calls over the limit fail at once, calls within it succeed; background calls have their own limit."""
    encoder = hashing_process(max_waiting=2)
    with frozen(encoder):
        calls = [InThread(lambda: encoder.encode(["a"])) for _ in range(3)]
        assert wait_until(lambda: len(encoder._queue._queues[True]) == 2)
        with pytest.raises(Overloaded):
            encoder.encode(["one too many"])
        calls.append(InThread(lambda: encoder.encode_in_background(["b"])))
    for call in calls:
        call.result()
    encoder.close()


def test_urgent_calls_go_between_the_slices_of_a_background_call(encoder: EncoderProcess) -> None:
    """An urgent call that comes during a long background call ends first."""
    ended: list[str] = []

    def background() -> None:
        encoder.encode_in_background(TEXTS * 20)
        ended.append("background")

    def urgent() -> None:
        encoder.encode(["urgent"])
        ended.append("urgent")

    with frozen(encoder):
        calls = [InThread(background)]
        assert wait_until(lambda: encoder._queue._is_busy)
        calls.append(InThread(urgent))
        assert wait_until(lambda: len(encoder._queue._queues[True]) == 1)
    for call in calls:
        call.result()

    assert ended == ["urgent", "background"]


def test_an_idle_process_ends_and_comes_back() -> None:
    """An idle process ends, and the next text starts a new one."""
    encoder = hashing_process(idle_seconds=0.5)
    encoder.encode(["a"])
    first = encoder.pid
    assert first is not None

    assert wait_until(lambda: encoder.pid is None)
    assert wait_until(lambda: not runs(first))
    assert encoder.encode(["b"]).shape == (1, 384)
    encoder.close()


def test_the_process_ends_with_its_server() -> None:
    """The worker ends when its server is killed with -9."""
    program = (
        "import time\n"
        "from service.encoder.models import HASHING, find_model\n"
        "from service.encoder.process import EncoderProcess\n"
        "encoder = EncoderProcess(find_model(HASHING))\n"
        "encoder.encode(['a'])\n"
        "print(encoder.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        child = int(server.stdout.readline())
        assert runs(child)

        server.kill()

        assert wait_until(lambda: not runs(child))


@pytest.mark.slow
def test_a_model_that_does_not_load_fails_calls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Calls fail with the reason, and no second process is started during the cool-down."""
    caplog.set_level(logging.DEBUG, "service.encoder.process")
    encoder = EncoderProcess(EncoderModel("x", lambda: str(tmp_path)), cool_down_seconds=3600)

    for _ in range(2):
        with pytest.raises(EncoderUnavailable, match="cannot be loaded"):
            encoder.encode(["a"])

    assert [record.getMessage().split()[-3:] for record in caplog.records] == [["started", "for", "x"]]
    assert encoder.pid is None
    encoder.close()


def test_a_process_that_dies_again_and_again_is_given_up() -> None:
    """After three deaths in a row the call fails with EncoderUnavailable."""
    encoder = hashing_process(threads=-1, device="--no-such-option")

    with pytest.raises(EncoderUnavailable, match="ended"):
        encoder.encode(["a"])
    encoder.close()


def test_close_ends_calls_and_process(encoder: EncoderProcess) -> None:
    """After close, calls in progress, waiting calls and later calls fail, and the process has ended."""
    with frozen(encoder) as pid:
        calls = [InThread(lambda: encoder.encode(["a"])) for _ in range(2)]
        assert wait_until(lambda: len(encoder._queue._queues[True]) == 1)
        encoder.close()
        encoder.close()

        for call in calls:
            with pytest.raises(EncoderUnavailable, match="closed"):
                call.result()
    assert not runs(pid)
    with pytest.raises(EncoderUnavailable, match="closed"):
        encoder.encode(["a"])


def test_prints_of_libraries_do_not_reach_the_frames() -> None:
    """Output to stdout inside the worker goes to stderr."""
    program = (
        "import os, sys\n"
        "from service.encoder.worker import _own_stdout\n"
        "replies = _own_stdout()\n"
        "print('noise', flush=True)\n"
        "os.write(1, b'more noise')\n"
        "replies.write(b'frame')\n"
        "replies.flush()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)

    assert done.stdout == b"frame"
    assert b"more noise" in done.stderr
