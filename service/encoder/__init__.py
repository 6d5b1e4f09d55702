"""Encoders, which turn texts into unit vectors: models, the worker process that runs them, and caches.

Only ``worker`` imports torch and sentence-transformers, in its own process. Nothing else here may import them, because
they must not be loaded into the server.
"""

from pathlib import Path

from service.encoder.cache import ByteBoundedCache, CachedEncoder, EmbeddingCache, OpenedEncoder, VectorCache
from service.encoder.hashing import HashingEncoder
from service.encoder.models import DEFAULT_MODEL, HASHING, find_model
from service.encoder.process import EncoderProcess

__all__ = ["DEFAULT_MODEL", "HASHING", "EncoderProcess", "HashingEncoder", "OpenedEncoder", "open_encoder"]


def open_encoder(
    name: str = DEFAULT_MODEL,
    *,
    idle_seconds: float | None = 300.0,
    threads: int | None = None,
    device: str = "cpu",
    cache_path: Path | None = None,
    cache_max_bytes: int = 0,
    memory_cache_bytes: int = 0,
) -> OpenedEncoder:
    """Return the encoder of this name, which starts with its first text. The caller closes it.

    Args:
        name: ``all-MiniLM-L6-v2`` (the packaged, verified default), ``hashing`` (trials and tests), the path of a
            sentence-transformers folder, or else a name on the model hub.
        idle_seconds: The worker process ends after this time without work; None keeps it.
        threads: Threads of torch; None lets torch choose.
        device: Device in torch's notation, e.g. ``cpu`` or ``cuda``.
        cache_path: SQLite file that keeps vectors between runs; None keeps none.
        cache_max_bytes: Size limit of that file; 0 means no limit.
        memory_cache_bytes: Size limit of the cache in memory; 0 means no cache.

    Raises:
        EncoderUnavailable: A local model folder has no safetensors weights.
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
        caches.append(EmbeddingCache(cache_path, cache_max_bytes))
    return CachedEncoder(encoder, *caches) if caches else encoder
