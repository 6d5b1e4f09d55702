"""Checks that a bundle can be loaded, fits the service, and is not too large."""

from pathlib import Path

from ranker.bundle.bundle import Bundle, load_bundle
from ranker.errors import BundleError
from training.checks import Check, Outcome
from training.gate.rules import SizeRules

_MEBIBYTE = 2.0**20


def loaded(folder: Path, encoder: str) -> tuple[Bundle | None, Check]:
    """Return the bundle in a folder and the check of loading it; the bundle is None if the check failed.

    Args:
        encoder: Name of the encoder in use.
    """
    try:
        bundle = load_bundle(folder, encoder=encoder)
    except BundleError as error:
        return None, Check("loading", Outcome.FAILED, str(error))
    figures = {"version": bundle.version, "encoder": encoder, "features_version": bundle.features_version}
    return bundle, Check("loading", Outcome.PASSED, "all hashes match, and encoder and features fit", figures)


def size_check(bundle: Bundle, rules: SizeRules) -> Check:
    """Compare the size of the bundle's files with the accepted one."""
    size = sum(int(entry["bytes"]) for entry in bundle.manifest.files.values()) / _MEBIBYTE
    figures = {"mebibytes": round(size, 2), "largest_mebibytes": rules.largest_mebibytes}
    words = f"{size:.1f} MiB, {rules.largest_mebibytes:g} are accepted"
    return Check("size", Outcome.PASSED if size <= rules.largest_mebibytes else Outcome.FAILED, words, figures)
