"""Keys that are created, used and revoked while their server runs."""

import datetime as dt
from collections.abc import Callable

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import ListPapersRequest
from paperfeed.v1.feed_pb2 import RankPapersRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.app.callers.keys import ApiKeys
from service.app.callers.known_callers import MAX_AGE_SECONDS, KnownCallers
from service.domain.callers import ApiKey, Scope, key_hash, key_id_of, new_key, new_key_id
from service.resources import SystemClock
from service.storage import SqlStore
from testing.calls import failing, wait_until
from testing.servers import Service, lose_database
from tests.contracts.samples import FixedClock
from tests.rpc.callers.builders import answer_of, bearer, code_of, opened, revoke
from tests.rpc.callers.builders import new_key as created
from tests.rpc.callers.conftest import Guarded

METHOD = "CatalogService/ListPapers"
NOW = dt.datetime(2026, 3, 9, tzinfo=dt.UTC)


def test_a_key_begins_and_ends_while_the_server_runs(guarded: Guarded) -> None:
    """A new key is accepted in its first call. A revoked key is refused soon, and other keys are not."""
    with opened(guarded.service.url) as store:
        key = created(store, "feeds:read")
        first = code_of(answer_of(guarded.channel, METHOD, bearer(key)))
        revoke(store, key)
        wait_until(lambda: code_of(answer_of(guarded.channel, METHOD, bearer(key))) is not grpc.StatusCode.OK, 20)

    assert first is grpc.StatusCode.OK
    assert code_of(answer_of(guarded.channel, METHOD, bearer(key))) is grpc.StatusCode.UNAUTHENTICATED
    other = guarded.keys.having("feeds:read")
    assert code_of(answer_of(guarded.channel, METHOD, bearer(other))) is grpc.StatusCode.OK


def test_an_unknown_key_is_refused(guarded: Guarded) -> None:
    """A key in the right form that nobody has created is looked up once more, and then refused."""
    found = answer_of(guarded.channel, METHOD, bearer(new_key("0123abcd")))

    assert code_of(found) is grpc.StatusCode.UNAUTHENTICATED


def test_only_the_hash_is_stored(sql_store: SqlStore) -> None:
    """The text of a key has 256 random bits and its id; the database has only its SHA-256."""
    key, text = ApiKeys(sql_store, FixedClock(NOW)).create("mailer", ["events:write", "feeds:read", "feeds:read"])

    with sql_store.read() as tx:
        (stored,) = tx.keys.all()
    assert stored == key
    assert stored == ApiKey(key.key_id, key_hash(text), None, "mailer", ("events:write", "feeds:read"), NOW)
    assert key_id_of(text) == key.key_id
    assert len(bytes.fromhex(text.rpartition("_")[2])) == 32
    assert text.rpartition("_")[2] not in repr(stored)


def test_uses_are_noted_apart_from_calls(sql_store: SqlStore) -> None:
    """The time of the last use is written when the process stops or a minute has passed, and never goes back."""
    clock = FixedClock(NOW)
    key, text = ApiKeys(sql_store, clock).create("mailer", ["feeds:read"])
    known = KnownCallers(sql_store, clock)
    known.start()

    caller = known.by_key(text)
    with sql_store.read() as tx:
        before = tx.keys.all()[0].last_used_at
    known.stop()

    with sql_store.write() as tx:
        tx.keys.note_use({key.key_id: NOW - dt.timedelta(days=1)})
        assert tx.keys.all()[0].last_used_at == NOW
    assert before is None
    assert caller is not None
    assert (caller.name, caller.key_id, caller.scopes) == ("mailer", key.key_id, {Scope.FEEDS_READ})


def test_keys_outlive_a_short_outage_only(start: Callable[..., Service]) -> None:
    """After the loss of the database, keys are trusted for a minute. GetStatus may be called with old ones."""
    service = start(auth="keys")
    with opened(service.url) as store:
        key = created(store, "feeds:read")
    known = service.application.guard._known
    assert known is not None
    with Client(service.target, api_key=key, retries=False) as client:
        client.catalog.ListPapers(ListPapersRequest())
        lose_database(service)
        with failing(grpc.StatusCode.INVALID_ARGUMENT):
            client.feeds.RankPapers(RankPapersRequest())
        # A key that the server does not know yet may be valid.
        with (
            Client(service.target, api_key=new_key(new_key_id()), retries=False) as newcomer,
            failing(grpc.StatusCode.UNAVAILABLE, "STORAGE_UNAVAILABLE"),
        ):
            newcomer.catalog.ListPapers(ListPapersRequest())
        known._read_at -= MAX_AGE_SECONDS
        with failing(grpc.StatusCode.UNAVAILABLE, "STORAGE_UNAVAILABLE"):
            client.feeds.RankPapers(RankPapersRequest())
        assert client.status.GetStatus(GetStatusRequest()).storage_problem


def test_a_caller_that_leaves_stops_nobody(sql_store: SqlStore) -> None:
    """If one of the calls that wait for a read is cancelled, the others still get it."""
    known = KnownCallers(sql_store, SystemClock())
    known.start()

    first, second = known.read_again(), known.read_again()
    first.cancel()

    assert second.result(timeout=20) is None
    assert known.read_again().result(timeout=20) is None
    known.stop()


def test_a_certificate_is_granted_scopes_once(sql_store: SqlStore) -> None:
    """A certificate has one grant in force; a new one replaces a revoked or expired one."""
    keys = ApiKeys(sql_store, SystemClock())
    first, text = keys.create("mailer", ["feeds:read"], certificate="mailer.example.org")
    with pytest.raises(Exception, match=f"has scopes already, by {first.key_id}"):
        keys.create("mailer", ["users:admin"], certificate="mailer.example.org")
    keys.revoke(first.key_id)
    second, _ = keys.create("mailer", ["users:admin"], certificate="mailer.example.org")

    known = KnownCallers(sql_store, SystemClock())
    known._read()
    found = known.by_certificate(["other", "mailer.example.org"])

    assert text == ""
    assert found is not None
    assert (found.key_id, found.scopes) == (second.key_id, {Scope.USERS_ADMIN})
    assert known.by_certificate(["other.example.org"]) is None


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [("", ["feeds:read"], "name"), ("a\nb", ["feeds:read"], "name"), ("x", [], "scope"), ("x", ["all"], "scope")],
)
def test_what_a_key_needs(sql_store: SqlStore, name: str, scopes: list[str], field: str) -> None:
    """A key has a printable name and known scopes."""
    with pytest.raises(Exception, match=f"^{field}: "):
        ApiKeys(sql_store, SystemClock()).create(name, scopes)
