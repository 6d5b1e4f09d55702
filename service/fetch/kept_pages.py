"""Pages of a search that is not at its end: kept in files, so that one who is killed need not ask for them again.

One folder for each search, one file for each page. Files come into being whole (written aside, then renamed) and are
compressed, which proves them: what cannot be read is as good as not there. Nothing here may stop a fetch; where no file
can be written, it is only not kept.
"""

import contextlib
import gzip
import hashlib
import os
import shutil
import time
import zlib
from pathlib import Path

KEPT_SECONDS = 12 * 3600
"""Older pages are asked for again: what a search finds moves on, once a day."""
_PREFIX = "search-"


class KeptPages:
    """The pages of searches.

    Args:
        folder: Where they lie; made when it is needed. None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._used: set[Path] = set()
        self._found: set[tuple[str, int]] = set()

    @property
    def found_count(self) -> int:
        """Pages that were there."""
        return len(self._found)

    def find(self, search: str, start: int) -> bytes | None:
        """The page of the search that begins at ``start``, zero-based; None where it is not kept."""
        if (path := self._path(search, start)) is None:
            return None
        try:
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                return None
            body = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error):
            return None
        if not body:
            return None
        self._found.add((search, start))
        return body

    def keep(self, search: str, start: int, body: bytes) -> None:
        """Keeps a page, unless it is kept already."""
        if (path := self._path(search, start)) is None or (search, start) in self._found:
            return
        aside = path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(gzip.compress(body))
            aside.replace(path)

    def forget(self) -> None:
        """The searches of this run are at their end; so are those that nobody took up again in time."""
        if self._folder is None:
            return
        for path in self._folder.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                if path in self._used or time.time() - path.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):  # others' pages are in it, or it never was
            self._folder.rmdir()

    def _path(self, search: str, start: int) -> Path | None:
        if self._folder is None:
            return None
        folder = self._folder / (_PREFIX + hashlib.sha256(search.encode()).hexdigest()[:32])
        self._used.add(folder)
        return folder / f"{start:06d}.gz"
