"""``paperfeed library sync``: keep a user's likes equal to a library in another program, without a server."""

import hashlib
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.imports.http import open_http
from cli.imports.problems import check_report, show_import
from cli.local import Local, open_local
from cli.observed import job
from cli.options import Db, Embed, Json, Report
from cli.output import warn
from service.domain.errors import Conflict, InvalidField, InvalidFile, StorageUnavailable
from service.ingest.problems import Problem
from service.process.stopping import on_stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.app.synced.libraries import LibraryChanges
    from service.domain.libraries import LibrarySource

app = typer.Typer(help="Keep a user's likes equal to a library in another program.", no_args_is_help=True)

WATCH_SECONDS = 2.0
"""How often a watched file is looked at. It is read when it has stayed the same for as long."""
User = Annotated[str, typer.Option("--user", help="Id of the user. Each paper becomes a like of this user.")]


@app.command("zotero")
@job("library sync zotero")
def zotero(
    user: User,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="File that holds the API key. Default: PAPERFEED_ZOTERO_KEY_FILE, then PAPERFEED_ZOTERO_KEY."
        ),
    ] = None,
    library: Annotated[
        str, typer.Option(help="Library to read: users/ID or groups/ID. Default: the library of the key's owner.")
    ] = "",
    collection: Annotated[
        list[str] | None,
        typer.Option(
            help="Key of a collection to read, with the collections inside it. Repeat it for more. "
            "Default: the whole library."
        ),
    ] = None,
    collections_as_interests: Annotated[
        bool | None,
        typer.Option(
            "--collections-as-interests/--no-collections-as-interests",
            help="Make each collection with papers an interest of the user, which has its name and follows it. "
            "Default: as at the last sync.",
        ),
    ] = None,
    db: Db = None,
    embed: Embed = True,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Read what changed in a Zotero library since the last sync. New papers become likes; likes of removed ones end.

    Zotero is only read, so a key without write access is enough. What the user decides in paperfeed stays: see
    docs/import.md.
    """
    from service.app.synced.libraries import find_library
    from service.fetch.zotero import Zotero, check_library, own_library, read_changes

    check_report(report)
    named = check_library(library) if library else ""
    with open_local(db, may_make=True) as local:
        settings = local.settings
        key = _key(key_file or settings.zotero_key_file, settings.zotero_key, is_needed=not named)
        # Zotero asks for no fixed pause; its answers say when it needs one.
        with open_http(settings, pause_seconds=0.0) as http:
            access = Zotero(http, settings.zotero_api_url, key)
            name = named or own_library(access)
            source = f"zotero:{name}"
            before, collections, count = find_library(local.store, user, source)
            was_on = before is not None and before.as_interests
            as_interests = was_on if collections_as_interests is None else collections_as_interests
            # A library whose collections become interests, or cease to, is read anew.
            known = before if as_interests == was_on else None
            read = read_changes(access, name, known, collections, collection or [])
        out = _Output(source, user, report, as_json)
        if read is None:
            out.unchanged(count)
        else:
            changes = replace(read.changes, as_interests=as_interests)
            out.store(local, before, changes, read.skipped, read.repaired, embed=embed)


@app.command("file")
@job("library sync file")
def file(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Library file: BibTeX, RIS, or a CSV export of Zotero.")],
    user: User,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, and sync after each change of the file, until SIGTERM or Ctrl-C.")
    ] = False,
    db: Db = None,
    embed: Embed = True,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Read a library file again. New papers become likes; likes of papers that are no longer in it end.

    A program that exports a library after each change, such as Better BibTeX, keeps the likes up to date this way.
    A file that is cut off, empty or no library changes nothing.
    """
    check_report(report)
    with open_local(db, may_make=True) as local:
        out = _Output(f"file:{path.resolve()}", user, report, as_json)
        if not watch:
            _sync_file(local, path, out, embed=embed)
            return
        stopping = threading.Event()
        on_stop(lambda _: stopping.set())
        seen = done = None
        while not stopping.is_set():
            now = _mark(path)
            if now is not None and now == seen and now != done:
                try:
                    _sync_file(local, path, out, embed=embed)
                    done = now
                except InvalidFile as error:
                    done = now
                    warn(f"{error}; nothing was changed, waiting for the next change of the file")
                except (Conflict, StorageUnavailable) as error:
                    warn(f"{error}; nothing was changed, trying again")
            seen = now
            stopping.wait(WATCH_SECONDS)


def _mark(path: Path) -> tuple[int, int] | None:
    """Return the time and size of a file; None while it is missing, as when it is replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _sync_file(local: Local, path: Path, out: "_Output", *, embed: bool) -> None:
    from service.app.synced.libraries import find_library
    from service.ingest.libraries.changes import file_changes
    from service.ingest.libraries.library import read_library

    try:
        fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InvalidFile(str(path), f"cannot be read: {error.strerror}") from error
    before, _, count = find_library(local.store, out.user, out.source)
    if before is not None and before.fingerprint == fingerprint:
        out.unchanged(count)
        return
    library = read_library(path)
    if not library.papers:
        raise InvalidFile(str(path), "no entry could be read, so nothing was changed")
    changes = file_changes(library, fingerprint)
    out.store(local, before, changes, library.skipped, library.repaired, embed=embed)


class _Output:
    """Stores the changes of one library and prints what became of them."""

    def __init__(self, source: str, user: str, report: Path | None, as_json: bool) -> None:
        self.source = source
        self.user = user
        self._report = report
        self._as_json = as_json

    def unchanged(self, count: int) -> None:
        """Print that nothing changed since the last sync."""
        counts = dict.fromkeys(("added", "removed", "new_papers", "liked", "unliked", "embedded", "roomless"), 0)
        result = {"source": self.source, **counts, "unchanged": count, "overruled": [], "kept": []}
        text = f"{self.source}: nothing changed, {count:,} items"
        show_import(result, text, [], report=self._report, as_json=self._as_json)

    def store(
        self,
        local: Local,
        before: "LibrarySource | None",
        changes: "LibraryChanges",
        skipped: "Sequence[Problem]",
        repaired: "Sequence[Problem]",
        *,
        embed: bool,
    ) -> None:
        """Store the changes, embed new papers, and print the result."""
        from service.app.synced.libraries import sync_library
        from service.domain.interests import MAX_INTERESTS

        done = sync_library(local.store, local.clock, self.user, self.source, before, changes)
        embedded = local.embed(wanted=embed)
        result = {
            "source": self.source,
            "added": done.added_count,
            "removed": done.removed_count,
            "unchanged": done.unchanged_count,
            "new_papers": done.new_paper_count,
            "liked": done.liked_count,
            "unliked": done.unliked_count,
            "embedded": embedded,
            "overruled": list(done.overruled),
            "kept": list(done.kept),
            "roomless": done.roomless_count,
        }
        items = f"{done.added_count:,} added, {done.removed_count:,} removed, {done.unchanged_count:,} unchanged"
        likes = f"{done.liked_count:,} new likes of {self.user}, {done.unliked_count:,} taken back"
        lines = [
            f"{self.source}: {items}, {len(skipped):,} skipped",
            f"{done.new_paper_count:,} new papers; {likes}",
        ]
        if done.roomless_count:
            lines.append(f"{done.roomless_count:,} collections are no interests: a user has at most {MAX_INTERESTS}")
        if done.overruled:
            lines.append(f"{len(done.overruled):,} added items are no likes: {self.user} decided against their papers")
        if done.kept:
            lines.append(f"{len(done.kept):,} removed items stay likes, because they are liked or listed elsewhere too")
        conflicts = [
            Problem(None, key, f"{alias} belongs to another paper in the database; the id is left out")
            for key, alias in done.conflicts
        ]
        all_repaired = [*repaired, *conflicts]
        show_import(result, "\n".join(lines), skipped, all_repaired, report=self._report, as_json=self._as_json)


def _key(file: Path | str, key: str, *, is_needed: bool) -> str:
    """Return the API key from the file, else the key of the environment; empty if there is none and none is needed."""
    from service.fetch.zotero import KEYS_PAGE, check_key

    if file:
        try:
            return check_key(Path(file).expanduser().read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidField("key-file", f"{file} cannot be read: {type(error).__name__}") from error
    if not key and is_needed:
        problem = f"is needed, unless --library names a public library; make a key that only reads at {KEYS_PAGE}"
        raise InvalidField("key-file", problem)
    return check_key(key) if key else ""
