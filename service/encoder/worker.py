"""The worker process: loads the model, then answers frames on stdin with frames on stdout.

``child`` runs it as ``python -m service.encoder.worker --model ...``. Only this module imports torch, inside functions
that have set the environment before. The process ends when stdin ends, so it ends with the server in any case. Logs of
libraries go to stderr.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from service.app.ports import Vectors
from service.encoder.frames import READ_BYTES, BrokenStream, Frame, receive_frame
from service.encoder.hashing import DIM as HASHING_DIM
from service.encoder.hashing import HashingEncoder
from service.encoder.models import HASHING

BATCH_SIZE = 32
SHORTEST = 1e-12  # The direction of a shorter vector is meaningless.
LIBRARY_SETTINGS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
OFFLINE_SETTINGS = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer requests until stdin ends. Return 1 if the model cannot be loaded or the stream is broken, else 0."""
    parser = argparse.ArgumentParser(prog="python -m service.encoder.worker")
    parser.add_argument("--model", required=True, help="folder, hub name, or 'hashing'")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0 lets torch choose")
    parser.add_argument("--offline", action="store_true", help="load from local files only")
    options = parser.parse_args(arguments)
    replies = _own_stdout()
    _prefer_as_oom_victim()
    try:
        dim, encode = _load(options.model, options.device, options.threads, offline=options.offline)
    except Exception as error:  # noqa: BLE001 -- the server reports any error of a library
        _send(replies, Frame({"id": 0, "error": f"the model cannot be loaded: {_described(error)}"}))
        return 1
    _send(replies, Frame({"id": 0, "rows": 0, "dim": dim}))
    received = bytearray()
    try:
        while (request := receive_frame(received, lambda: os.read(sys.stdin.fileno(), READ_BYTES))) is not None:
            _send(replies, _answer(request, encode))
    except (BrokenStream, ConnectionError):
        return 1
    return 0


def _own_stdout() -> BinaryIO:
    """Return a private copy of stdout for frames, and redirect stdout to stderr for libraries that print."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return replies


def _prefer_as_oom_victim() -> None:
    """Make Linux kill this replaceable process rather than the server when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _load(model: str, device: str, threads: int, *, offline: bool) -> tuple[int, Callable[[list[str]], Vectors]]:
    """Return the length of the model's vectors, and its function from texts to vectors."""
    if model == HASHING:
        return HASHING_DIM, HashingEncoder().encode
    settings = LIBRARY_SETTINGS | (OFFLINE_SETTINGS if offline else {})
    os.environ.update(settings)  # noqa: TID251 -- libraries read it when they are imported
    import torch  # noqa: PLC0415 -- after the settings, and not for hashing
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    if threads > 0:
        torch.set_num_threads(threads)
    transformer = SentenceTransformer(
        model,
        device=device,
        trust_remote_code=False,
        local_files_only=offline,
        # Otherwise a folder without safetensors would load pickled weights.
        model_kwargs={"use_safetensors": True},
    ).float()  # bfloat16 causes an illegal instruction on some processors
    dim = transformer.get_embedding_dimension()
    if not isinstance(dim, int):
        raise TypeError("the model does not say how long its vectors are")

    def encode(texts: list[str]) -> Vectors:
        # The library sorts by length for little padding, and restores the order.
        return np.asarray(transformer.encode(texts, batch_size=BATCH_SIZE, show_progress_bar=False), np.float32)

    return dim, encode


def _answer(request: Frame, encode: Callable[[list[str]], Vectors]) -> Frame:
    request_id = request.header.get("id")
    try:
        # Tokenizers fail for lone surrogates.
        texts = [text.encode("utf-8", "replace").decode() for text in request.header["texts"]]
        vectors = _unit(encode(texts))
    except Exception as error:  # noqa: BLE001 -- one bad slice must not end the process
        return Frame({"id": request_id, "error": _described(error)})
    rows, dim = vectors.shape
    return Frame({"id": request_id, "rows": rows, "dim": dim}, vectors.astype("<f4").tobytes())


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths < SHORTEST).any():
        raise ValueError("the model returned a vector that is NaN, infinite or zero")
    return np.asarray(vectors / lengths, np.float32)


def _described(error: Exception) -> str:
    # Messages of libraries may fill pages; the first line names the problem.
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}"[:500]


def _send(replies: BinaryIO, frame: Frame) -> None:
    replies.write(frame.packed())
    replies.flush()


if __name__ == "__main__":
    sys.exit(main())
