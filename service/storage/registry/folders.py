"""Folders of bundle files, named by the hash of their content: on a local or shared path, or at an fsspec URL."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ranker.bundle.bundle import FILE_LIMITS, bundle_files, content_of
from ranker.bundle.manifest import MANIFEST_NAME
from ranker.errors import BundleError
from service.domain.errors import BundleUnusable

_HASH = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://")
_CREDENTIALS = re.compile(r"//[^/]*@")


class LocalFolders:
    """``service.app.ports.BundleFolders`` on a local or shared path: ``<root>/<sha256>/``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, content_sha256: str, files: Mapping[str, bytes]) -> None:
        target = self._root / content_sha256
        if self.has(content_sha256):
            return
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root))
            try:
                for name, data in files.items():
                    _write_through(staging / name, data)
                staging.chmod(0o755)
                _move(staging, target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise BundleUnusable(f"cannot write to the registry {self._root} ({error.strerror})") from error

    def has(self, content_sha256: str) -> bool:
        """Return whether the folder of this content is there and none of its files is damaged."""
        folder = self._root / content_sha256
        try:
            return content_of(bundle_files(folder), folder) == content_sha256
        except BundleError:
            return False

    def folder(self, content_sha256: str) -> Path:
        found = self._root / _checked_hash(content_sha256)
        if not found.is_dir():
            raise BundleUnusable(f"the registry {self._root} has no folder {content_sha256}")
        return found

    def remove(self, content_sha256: str) -> bool:
        folder = self._root / _checked_hash(content_sha256)
        if not folder.exists():
            return False
        try:
            # Nobody sees a folder with half of its files.
            aside = Path(tempfile.mkdtemp(prefix=".old-", dir=self._root))
            folder.rename(aside / folder.name)
            shutil.rmtree(aside)
        except OSError as error:
            raise BundleUnusable(f"the registry {self._root} cannot delete a folder ({error.strerror})") from error
        return True


class RemoteFolders:
    """``service.app.ports.BundleFolders`` at an fsspec URL such as ``s3://bucket/registry``.

    Object stores cannot rename, so the manifest is written last: a folder without one is not there yet.

    Args:
        cache: Local registry that files are copied to.
    """

    def __init__(self, url: str, cache: LocalFolders) -> None:
        # Imported here, because few servers have a remote registry.
        from fsspec.core import url_to_fs  # noqa: PLC0415

        # Errors reach logs and every caller of GetStatus, so they must not show a password.
        self._url = _CREDENTIALS.sub("//***@", url)
        self._cache = cache
        try:
            # Typed as Any: fsspec ships no types.
            self._files: Any
            self._files, self._root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise BundleUnusable(f"the registry {self._url} cannot be opened ({error})") from error

    def put(self, content_sha256: str, files: Mapping[str, bytes]) -> None:
        target = f"{self._root}/{content_sha256}"
        try:
            if self._files.exists(f"{target}/{MANIFEST_NAME}"):
                return
            self._files.makedirs(target, exist_ok=True)
            for name in sorted(files, key=lambda name: name == MANIFEST_NAME):
                self._files.pipe_file(f"{target}/{name}", files[name])
        except Exception as error:  # each file system raises errors of its own
            raise BundleUnusable(f"cannot write to the registry {self._url} ({error})") from error

    def folder(self, content_sha256: str) -> Path:
        _checked_hash(content_sha256)
        if not self._cache.has(content_sha256):
            folder = f"{self._root}/{content_sha256}"
            try:
                # One byte more than allowed shows that a file is too large.
                files = {
                    name: bytes(self._files.cat_file(f"{folder}/{name}", start=0, end=limit + 1))
                    for name, limit in FILE_LIMITS.items()
                }
            except Exception as error:  # each file system raises errors of its own
                problem = f"the registry {self._url} has no folder {content_sha256}, or does not answer ({error})"
                raise BundleUnusable(problem) from error
            self._cache.put(content_sha256, files)
        return self._cache.folder(content_sha256)

    def remove(self, content_sha256: str) -> bool:
        folder = f"{self._root}/{_checked_hash(content_sha256)}"
        self._cache.remove(content_sha256)
        try:
            if not self._files.exists(folder):
                return False
            # Without its manifest, the folder is not there any more.
            if self._files.exists(manifest := f"{folder}/{MANIFEST_NAME}"):
                self._files.rm_file(manifest)
            self._files.rm(folder, recursive=True)
        except Exception as error:  # each file system raises errors of its own
            raise BundleUnusable(f"the registry {self._url} cannot delete a folder ({error})") from error
        return True


def open_folders(place: str, cache: Path) -> LocalFolders | RemoteFolders:
    """Return the folders at a path or an fsspec URL.

    Args:
        cache: Local folder for copies of the files of a remote registry.

    Raises:
        BundleUnusable: The URL names a file system that is unknown or not installed.
    """
    if _URL.match(place):
        return RemoteFolders(place.rstrip("/"), LocalFolders(cache))
    return LocalFolders(Path(place).expanduser())


def _checked_hash(content_sha256: str) -> str:
    """Return the name of a folder; raise BundleUnusable for a text that could lead elsewhere."""
    if not _HASH.fullmatch(content_sha256):
        raise BundleUnusable(f"'{content_sha256}' is not the SHA-256 of a bundle: 64 hexadecimal digits")
    return content_sha256


def _move(staging: Path, target: Path) -> None:
    """Move a finished folder to its place. A damaged folder there is moved aside, which leaves no half of a bundle."""
    if target.exists():
        aside = staging.with_name(staging.name.replace(".new-", ".damaged-"))
        with contextlib.suppress(FileNotFoundError):
            target.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    try:
        staging.rename(target)
    except OSError:
        # Another process has just stored the same content.
        if not target.is_dir():
            raise


def _write_through(file: Path, data: bytes) -> None:
    """Write a file and flush it to the disk."""
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
