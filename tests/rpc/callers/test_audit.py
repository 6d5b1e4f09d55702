"""Entries of the audit log."""

from collections.abc import Callable

import grpc
import pytest
from sqlalchemy import text

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import DeleteDigestRequest, DeletePaperRequest
from paperfeed.v1.profile_pb2 import DeleteUserRequest, ExportUserRequest, GetProfileRequest
from service.api.callers.scopes import SCOPES, is_audited
from service.domain.callers import AuditEntry
from service.domain.events import user_id_hash
from testing.calls import failing, fresh, make_digest, make_papers, record, upsert
from testing.servers import Service
from tests.rpc.callers.builders import ALL_SCOPES, answer_of, bearer, code_of
from tests.rpc.callers.conftest import Guarded

AUDITED = [method for method in SCOPES if is_audited(method)]


def entries_of(service: Service, **chosen: str) -> list[AuditEntry]:
    """Return entries of the server's log, oldest first."""
    with service.application.store.read() as tx:
        return tx.audit.newest(limit=100_000, **chosen)[::-1]  # type: ignore[arg-type]


def outcomes(service: Service, target: str) -> list[tuple[str, str]]:
    """Return (action, outcome) of the entries with a target."""
    return [(entry.action, entry.outcome) for entry in entries_of(service, target=target)]


def test_deletions_and_exports(guarded: Guarded) -> None:
    """Each deletion and export leaves who, what, target and outcome; a user is named by a hash."""
    service, key = guarded.service, guarded.keys.having(*ALL_SCOPES)
    user, digest = fresh("user"), fresh("digest")
    with Client(service.target, api_key=key, retries=False) as client:
        (paper,) = upsert(client, make_papers(1))
        make_digest(client, [paper], digest_id=digest)
        record(client, user, "like", paper)
        list(client.profiles.ExportUser(ExportUserRequest(user_id=user)))
        client.profiles.DeleteUser(DeleteUserRequest(user_id=user))
        client.catalog.DeleteDigest(DeleteDigestRequest(digest_id=digest))
        client.catalog.DeletePaper(DeletePaperRequest(paper_id=paper))
        with failing(grpc.StatusCode.NOT_FOUND):
            client.catalog.DeletePaper(DeletePaperRequest(paper_id=paper))
        with failing(grpc.StatusCode.NOT_FOUND):
            list(client.profiles.ExportUser(ExportUserRequest(user_id=user)))

    of_user = f"user:{user_id_hash(user)}"
    assert outcomes(service, of_user) == [
        ("ProfileService/ExportUser", "OK"),
        ("ProfileService/DeleteUser", "OK"),
        ("ProfileService/ExportUser", "NOT_FOUND"),
    ]
    assert outcomes(service, f"digest:{digest}") == [("CatalogService/DeleteDigest", "OK")]
    assert outcomes(service, f"paper:{paper}") == [
        ("CatalogService/DeletePaper", "OK"),
        ("CatalogService/DeletePaper", "NOT_FOUND"),
    ]
    entry = entries_of(service, target=of_user)[0]
    assert (entry.actor, entry.key_id) == ("test", key.split("_")[1])


@pytest.mark.parametrize("method", AUDITED)
def test_every_admin_call_leaves_an_entry(guarded: Guarded, method: str) -> None:
    """Each call of an audited RPC leaves one entry with its status code, and so does a call without the scope."""
    scope = SCOPES[method]
    assert scope is not None
    before = len(entries_of(guarded.service, action=method))

    codes = [
        code_of(answer_of(guarded.channel, method, bearer(key)))
        for key in (guarded.keys.having(scope.value), guarded.keys.lacking(scope.value))
    ]

    found = entries_of(guarded.service, action=method)[before:]
    assert [entry.outcome for entry in found] == [code.name for code in codes]
    assert codes[1] is grpc.StatusCode.PERMISSION_DENIED
    assert found[1].target == ""


def test_other_calls_leave_none(guarded: Guarded) -> None:
    """Reads, and calls of unknown callers, leave no entry."""
    before = len(entries_of(guarded.service))

    answer_of(guarded.channel, "CatalogService/ListPapers", bearer(guarded.keys.having("feeds:read")))
    answer_of(guarded.channel, "ProfileService/DeleteUser")

    assert len(entries_of(guarded.service)) == before


def test_no_entry_no_deletion(start: Callable[..., Service]) -> None:
    """The entry is stored in the transaction of the deletion: without one, there is not the other."""
    service, user = start(), fresh("user")
    record(service.client, user, "like", *upsert(service.client, make_papers(1)))
    with service.application.store.connection() as connection:
        connection.execute(text("DROP TABLE audit_log"))

    with pytest.raises(grpc.RpcError):
        service.client.profiles.DeleteUser(DeleteUserRequest(user_id=user))

    assert service.client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile.like_count == 1


def test_without_identity_the_address_is_noted(start: Callable[..., Service]) -> None:
    """Where callers have no identity, the entry names the address."""
    service, user = start(), fresh("user")

    service.client.profiles.DeleteUser(DeleteUserRequest(user_id=user))

    (entry,) = entries_of(service)
    assert (entry.actor, entry.key_id, entry.outcome) == ("127.0.0.1", "", "OK")
