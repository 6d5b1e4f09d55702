"""The files of a bundle as bytes: a job reads them once, checks them and sends the same bytes to every worker."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from ranker.bundle.bundle import Bundle, load_bundle
from ranker.bundle.manifest import MANIFEST_NAME, MODEL_NAME, SPACES_NAME
from ranker.errors import BundleError


def bundle_files(path: Path) -> dict[str, bytes]:
    """Return the files in a bundle's folder, by name.

    Raises:
        BundleError: A file cannot be read.
    """
    found = {}
    for name in (MANIFEST_NAME, MODEL_NAME, SPACES_NAME):
        try:
            found[name] = (path / name).read_bytes()
        except OSError as error:
            raise BundleError(path / name, f"cannot be read ({error.strerror}); is this a bundle folder?") from error
    return found


def load_files(files: Mapping[str, bytes], encoder: str) -> Bundle:
    """Return the bundle in the files, checked for an encoder.

    Raises:
        BundleError: The bundle is damaged, or made for another encoder or other features.
    """
    with tempfile.TemporaryDirectory(prefix="paperfeed-bundle-") as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        return load_bundle(Path(folder), encoder=encoder)


def checked_files(path: Path, encoder: str) -> tuple[Bundle, dict[str, bytes]]:
    """Return the bundle in a folder, and the bytes that it was loaded from.

    Another bundle may replace the folder's at any time. The version of the bundle is that of these bytes.

    Raises:
        BundleError: The bundle is missing or damaged, or made for another encoder or other features.
    """
    files = bundle_files(path)
    try:
        return load_files(files, encoder), files
    except BundleError as error:
        raise BundleError(path / error.file.name, error.problem) from error
