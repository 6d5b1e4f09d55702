"""Writes kept/<revision>.sqlite, a small database of the newest revision.

Run it once for each new revision from the repository's root, and commit the file. Never run it for an old revision:

    python -m tests.migrations.create_kept_database
"""

import datetime as dt
import sqlite3
from pathlib import Path

import numpy as np

from service.domain.callers import ApiKey, AuditEntry, key_hash
from service.domain.events import Event, EventType, Preferences
from service.domain.feeds import FallbackReason, Reason, ReasonType, Slate, SlateItem
from service.domain.interests import InterestOrigin, StoredInterest, StoredInterests
from service.domain.libraries import LibraryCollection, LibraryItem, LibrarySource
from service.domain.papers import Digest, Paper
from service.storage import open_store, schema
from tests.contracts.samples import FixedClock

KEPT = Path(__file__).parent / "kept"
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=dt.UTC)


def main() -> None:
    """Write the file of the newest revision."""
    path = KEPT / f"{schema.HEAD}.sqlite"
    path.unlink(missing_ok=True)
    url = f"sqlite:///{path}"
    schema.upgrade(url)
    store = open_store(url)
    with store.write() as tx:
        papers = [
            Paper("arxiv:2401.00001", "A first paper kept", "Its abstract.", ("Ada",), ("cs.IR",), upvotes=3),
            Paper("p2", "A second paper kept", published_at=NOW),
        ]
        tx.papers.upsert(papers, NOW)
        tx.papers.store_vectors("mini", {"p2": (papers[1].text_hash, np.ones(2, np.float32))})
        tx.digests.save(Digest("d1", NOW.date(), "Kept", "hf", paper_ids=("p2", "arxiv:2401.00001")), NOW)
        tx.users.record([Event("e1", "ada", "p2", EventType.LIKE, NOW), Event("e2", "bob", "p2", EventType.SAVE)], NOW)
        tx.users.save_preferences("ada", Preferences(("nlp",)), NOW)
        kept = StoredInterest("found-1", "Kept papers", InterestOrigin.FOUND, ("p2",), 0.5, True, ("found-0",))
        tx.users.save_interests("ada", StoredInterests((kept,), frozenset({"arxiv:2401.00001"})), NOW)
        library = "zotero:users/7"
        tx.libraries.save(LibrarySource("ada", library, 12, "", ("COLL",), ("COLL",), NOW))
        tx.libraries.put_items("ada", library, [LibraryItem("ITEM", "p2", NOW, ("COLL",))])
        tx.libraries.replace_collections("ada", library, [LibraryCollection("COLL", "Kept")])
        tx.users.delete("bob", FixedClock(NOW))
        item = SlateItem(1, "p2", 0.5, (Reason(ReasonType.FRESH),))
        tx.slates.add(
            Slate("s1", "ada", ("d1",), "m1", FallbackReason.NONE, NOW, NOW, "hash", 0, (item,), "f1", b"\x00\x00\x80?")
        )
        tx.keys.add(ApiKey("00c0ffee", key_hash("a key"), None, "mailer", ("feeds:read",), NOW))
        tx.audit.add(AuditEntry(NOW, "operator", "00c0ffee", "ProfileService/DeleteUser", "user:abc", "OK"))
    store.dispose()
    # One small file without a WAL file beside it, so that it can be committed and copied.
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA page_size = 512", "VACUUM"):
        connection.execute(statement)
    connection.close()


if __name__ == "__main__":
    main()
