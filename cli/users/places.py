"""The places in which data of a user may be: a server or its database, the mailer's database, and folders of files."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mailer.storage import MailStore
    from paperfeed.client import Client
    from service.app.profiles import Profiles

RECORDS = ("profile", "events", "slates", "precomputed_slates", "libraries", "library_items")
TOMBSTONES_AT_A_TIME = 1_000


@dataclass(frozen=True)
class Found:
    """What one place holds about a user.

    Attributes:
        place: Name of the place, as people know it.
        counts: Number of rows by what they hold.
        problem: Why rows may stay there, and what to do; empty if all of them can be removed.
        stored_since: Time of the user's first event or preference; None if it is unknown.
    """

    place: str
    counts: Mapping[str, int]
    problem: str = ""
    stored_since: dt.datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found, and all of the place could be searched."""
        return not self.problem and not any(self.counts.values())


class Place(Protocol):
    """Somewhere data of users are stored."""

    def find(self, user_id: str) -> list[Found]:
        """Return what is stored about the user; one entry for each part of the place that matters."""

    def remove(self, user_id: str) -> None:
        """Remove what can be removed. Nothing changes for an unknown user."""


class Service(Place, Protocol):
    """The service: a place that also keeps when it deleted a user."""

    def deleted_at(self, user_id: str) -> dt.datetime | None:
        """Return when the user was last deleted; None if never."""


class ServerPlace:
    """A running server, over gRPC."""

    def __init__(self, client: "Client", address: str) -> None:
        self._client = client
        self._name = f"server {address}"

    def check_rights(self) -> None:
        """Raise ``grpc.RpcError`` if the caller may not list deletions, which would otherwise fail after a deletion."""
        from paperfeed.v1.profile_pb2 import ListDeletedUsersRequest

        self._client.profiles.ListDeletedUsers(ListDeletedUsersRequest(page_size=1))

    def find(self, user_id: str) -> list[Found]:
        """See ``Place.find``."""
        import grpc

        from paperfeed.v1.profile_pb2 import ExportUserRequest

        counts, since = dict.fromkeys(RECORDS, 0), None
        kinds = {
            "event": "events",
            "slate": "slates",
            "precomputed_slate": "precomputed_slates",
            "library": "libraries",
            "library_item": "library_items",
        }
        try:
            for record in self._client.profiles.ExportUser(ExportUserRequest(user_id=user_id)):
                # Records of a kind that a newer server has are counted too.
                kind = record.WhichOneof("record") or "others"
                name = kinds.get(kind, kind)
                counts[name] = counts.get(name, 0) + 1
                if kind == "profile":
                    since = record.profile.created_at.ToDatetime(dt.UTC)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
        return [Found(self._name, counts, stored_since=since)]

    def remove(self, user_id: str) -> None:
        """See ``Place.remove``."""
        from paperfeed.v1.profile_pb2 import DeleteUserRequest

        self._client.profiles.DeleteUser(DeleteUserRequest(user_id=user_id))

    def deleted_at(self, user_id: str) -> dt.datetime | None:
        """See ``Service.deleted_at``."""
        from paperfeed.v1.profile_pb2 import ListDeletedUsersRequest
        from service.domain.events import user_id_hash

        hashed = user_id_hash(user_id)
        tombstones = self._client.deleted_users(ListDeletedUsersRequest(page_size=100))
        found = (each.deleted_at.ToDatetime(dt.UTC) for each in tombstones if each.user_id_hash == hashed)
        return next(found, None)


class DatabasePlace:
    """A service's database, without a server."""

    def __init__(self, profiles: "Profiles", name: str) -> None:
        self._profiles = profiles
        self._name = f"database {name}"

    def find(self, user_id: str) -> list[Found]:
        """See ``Place.find``."""
        from service.domain.errors import NotFound
        from service.domain.events import Event, UserState
        from service.domain.feeds import PrecomputedSlate, Slate
        from service.domain.libraries import SyncedItem, SyncedLibrary

        types = (UserState, Event, Slate, PrecomputedSlate, SyncedLibrary, SyncedItem)
        kinds: dict[type[Any], str] = dict(zip(types, RECORDS, strict=True))
        counts, since = dict.fromkeys(RECORDS, 0), None
        try:
            for record in self._profiles.export(user_id):
                counts[kinds[type(record)]] += 1
                if isinstance(record, UserState):
                    since = record.created_at
        except NotFound:
            pass
        return [Found(self._name, counts, stored_since=since)]

    def remove(self, user_id: str) -> None:
        """See ``Place.remove``. Leaves an entry in the audit log, as a call of DeleteUser does."""
        from service.app.callers.keys import ACTOR
        from service.domain.callers import AuditEntry
        from service.domain.events import user_id_hash

        target = f"user:{user_id_hash(user_id)}"
        entry = AuditEntry(dt.datetime.now(dt.UTC), ACTOR, "", "users forget", target, "OK")
        self._profiles.delete(user_id, entry)

    def deleted_at(self, user_id: str) -> dt.datetime | None:
        """See ``Service.deleted_at``."""
        from service.domain.events import user_id_hash

        hashed = user_id_hash(user_id)
        after: tuple[dt.datetime, str] | None = None
        while page := self._profiles.deleted(since=None, after=after, limit=TOMBSTONES_AT_A_TIME):
            for each in page:
                if each.user_id_hash == hashed:
                    return each.deleted_at
            after = page[-1].deleted_at, page[-1].user_id_hash
        return None


class MailPlace:
    """The mailer's database."""

    def __init__(self, store: "MailStore", name: str) -> None:
        self._store = store
        self._name = f"mailer {name}"

    def find(self, user_id: str) -> list[Found]:
        """See ``Place.find``."""
        from mailer.storage import deletions

        with self._store.read() as connection:
            return [Found(self._name, deletions.row_counts(connection, user_id))]

    def remove(self, user_id: str) -> None:
        """See ``Place.remove``."""
        from mailer.storage import deletions

        with self._store.write() as connection:
            deletions.forget(connection, user_id)


class FilesPlace:
    """A folder with exports, re-ranked slates and other files.

    Args:
        watch: Called with the name of each folder whose rows are about to be removed.
    """

    def __init__(self, root: Path, watch: Callable[[str], None]) -> None:
        self._root = root
        self._watch = watch

    def find(self, user_id: str) -> list[Found]:
        """See ``Place.find``."""
        from batch.forget.places import find_places

        found = [
            Found(f"{each.kind} {each.folder}", each.counts, each.problem) for each in find_places(self._root, user_id)
        ]
        return found or [Found(f"files {self._root}", {})]

    def remove(self, user_id: str) -> None:
        """See ``Place.remove``."""
        from batch.forget.places import find_places
        from batch.forget.removal import remove_rows

        for each in find_places(self._root, user_id):
            if not each.problem:
                self._watch(str(each.folder))
                remove_rows(each, user_id)


def found_in(places: list[Place], user_id: str) -> Iterator[Found]:
    """Yield what all places hold about the user."""
    for place in places:
        yield from place.find(user_id)
