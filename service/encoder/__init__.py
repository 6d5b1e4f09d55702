"""Text to unit vectors: which model a name means, the child process that runs it, and caches in front.

torch and sentence-transformers are imported by ``worker`` alone, which runs in a process of its own; nothing here may
import them into the server.
"""

from pathlib import Path

from service.encoder.cache import ByteBoundedCache, CachedEncoder, EmbeddingCache, VectorCache
from service.encoder.hashing import HashingEncoder
from service.encoder.models import DEFAULT_MODEL, HASHING, find_model
from service.encoder.opened import OpenedEncoder
from service.encoder.process import EncoderProcess

__all__ = [
    "DEFAULT_MODEL",
    "HASHING",
    "ByteBoundedCache",
    "CachedEncoder",
    "EmbeddingCache",
    "EncoderProcess",
    "HashingEncoder",
    "OpenedEncoder",
    "VectorCache",
    "open_encoder",
]


def open_encoder(
    name: str = DEFAULT_MODEL,
    *,
    idle_seconds: float | None = 300.0,
    threads: int | None = None,
    device: str = "cpu",
    cache_path: Path | None = None,
    memory_cache_bytes: int = 0,
) -> OpenedEncoder:
    """The encoder of this name, started by the first text it gets; the caller closes it.

    Args:
        name: ``all-MiniLM-L6-v2`` (the packaged, verified default), ``hashing`` (trials and tests), the path of a
            sentence-transformers folder, or else a name on the model hub.
        idle_seconds: The child process ends after this long without work; None keeps it.
        threads: Of torch; None leaves the choice to torch.
        device: As torch calls it, e.g. ``cpu`` or ``cuda``.
        cache_path: SQLite file that keeps vectors between runs; None keeps none.
        memory_cache_bytes: Bound of the cache in memory; 0 is no cache.

    Raises:
        EncoderUnavailable: A local model folder without safetensors weights.
    """
    encoder: OpenedEncoder
    if name == HASHING:
        encoder = HashingEncoder()
    else:
        encoder = EncoderProcess(find_model(name), idle_seconds=idle_seconds, threads=threads, device=device)
    caches: list[VectorCache] = []
    if memory_cache_bytes > 0:
        caches.append(ByteBoundedCache(memory_cache_bytes))
    if cache_path is not None:
        caches.append(EmbeddingCache(cache_path))
    return CachedEncoder(encoder, *caches) if caches else encoder
