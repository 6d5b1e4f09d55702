"""Pages of an unfinished search in files, so that an interrupted fetch need not request them again.

Each search has a folder, and each page a file. A file is written aside and then renamed, so it is always complete.
Compression adds a checksum: a file that cannot be decompressed counts as missing. Errors of the file system never stop
a fetch; the page is then not kept.
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
"""Older pages are requested again, because the results of a search change once a day."""
_PREFIX = "search-"


class KeptPages:
    """The kept pages of searches.

    Args:
        folder: Folder of the pages, created when needed. None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._used: set[Path] = set()
        self._found: set[tuple[str, int]] = set()

    @property
    def found_count(self) -> int:
        """Number of pages that were found."""
        return len(self._found)

    def find(self, search: str, start: int) -> bytes | None:
        """Return the page of the search that begins at result ``start`` (zero-based); None if it is not kept."""
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
        """Keep a page, unless it is kept already."""
        if (path := self._path(search, start)) is None or (search, start) in self._found:
            return
        aside = path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(gzip.compress(body))
            aside.replace(path)

    def forget(self) -> None:
        """Delete the pages of this run's searches, which are complete, and all pages that are too old."""
        if self._folder is None:
            return
        for path in self._folder.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                if path in self._used or time.time() - path.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty, or missing
            self._folder.rmdir()

    def _path(self, search: str, start: int) -> Path | None:
        if self._folder is None:
            return None
        folder = self._folder / (_PREFIX + hashlib.sha256(search.encode()).hexdigest()[:32])
        self._used.add(folder)
        return folder / f"{start:06d}.gz"
