"""Bundles that share their features and trees, but rank well or badly by the sum that the trees correct."""

from functools import cache
from pathlib import Path

from ranker.bundle.bundle import Bundle, load_bundle, write_bundle
from service.encoder import HashingEncoder
from testing.ranker import model_text, spaces

MADE_AT = "2017-07-30T12:00:00+00:00"


def rival(
    folder: Path,
    base: dict[str, float],
    *,
    dim: int = 16,
    encoder: str = HashingEncoder.name,
    made_at: str = MADE_AT,
    params: dict[str, object] | None = None,
) -> Bundle:
    """Write a bundle with this base and return it; other bases give other versions."""
    write_bundle(
        folder,
        model_text=_model_text(),
        base=base,
        spaces=spaces(dim),
        encoder_name=encoder,
        recipe="rival",
        fingerprint="0" * 64,
        created_at=made_at,
        params=params,
    )
    return load_bundle(folder, encoder=None)


@cache
def _model_text() -> str:
    return model_text()
