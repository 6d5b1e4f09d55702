"""The scope that each RPC requires. docs/security.md has the same table; a test compares the two."""

from service.domain.callers import Scope

STATUS_METHOD = "StatusService/GetStatus"
REFLECTION_METHOD = "ServerReflection/ServerReflectionInfo"
"""Needs no scope. It is no method of ours, so it is not in ``SCOPES``."""
SCOPES: dict[str, Scope | None] = {
    "CatalogService/UpsertPapers": Scope.CATALOG_WRITE,
    "CatalogService/GetPaper": Scope.FEEDS_READ,
    "CatalogService/BatchGetPapers": Scope.FEEDS_READ,
    "CatalogService/ListPapers": Scope.FEEDS_READ,
    "CatalogService/SearchPapers": Scope.FEEDS_READ,
    "CatalogService/DeletePaper": Scope.CATALOG_WRITE,
    "CatalogService/UpsertDigest": Scope.CATALOG_WRITE,
    "CatalogService/GetDigest": Scope.FEEDS_READ,
    "CatalogService/ListDigests": Scope.FEEDS_READ,
    "CatalogService/DeleteDigest": Scope.CATALOG_WRITE,
    "ProfileService/RecordEvents": Scope.EVENTS_WRITE,
    "ProfileService/ListLikes": Scope.FEEDS_READ,
    "ProfileService/GetProfile": Scope.FEEDS_READ,
    "ProfileService/UpdatePreferences": Scope.EVENTS_WRITE,
    "ProfileService/ListInterests": Scope.FEEDS_READ,
    "ProfileService/CreateInterest": Scope.EVENTS_WRITE,
    "ProfileService/UpdateInterest": Scope.EVENTS_WRITE,
    "ProfileService/DeleteInterest": Scope.EVENTS_WRITE,
    "ProfileService/MergeInterests": Scope.EVENTS_WRITE,
    "ProfileService/SplitInterest": Scope.EVENTS_WRITE,
    "ProfileService/ExportUser": Scope.USERS_ADMIN,
    "ProfileService/DeleteUser": Scope.USERS_ADMIN,
    # Whoever copies data of users must learn of deletions. Tombstones hold hashes and times only.
    "ProfileService/ListDeletedUsers": Scope.FEEDS_READ,
    "ProfileService/ListSignals": Scope.FEEDS_READ,
    "ProfileService/DeleteEvents": Scope.EVENTS_WRITE,
    "ProfileService/ResetSignals": Scope.EVENTS_WRITE,
    "FeedService/GetFeed": Scope.FEEDS_READ,
    "FeedService/GetSlate": Scope.FEEDS_READ,
    "FeedService/StreamFeeds": Scope.FEEDS_READ,
    "FeedService/RankPapers": Scope.FEEDS_READ,
    "FeedService/FindSimilarPapers": Scope.FEEDS_READ,
    "FeedService/ExplainPaper": Scope.FEEDS_READ,
    "ModelService/RegisterModel": Scope.MODELS_ADMIN,
    "ModelService/ListModels": Scope.MODELS_ADMIN,
    "ModelService/GetModel": Scope.MODELS_ADMIN,
    "ModelService/ListModelLog": Scope.MODELS_ADMIN,
    "ModelService/PromoteModel": Scope.MODELS_ADMIN,
    "ModelService/RollbackModel": Scope.MODELS_ADMIN,
    STATUS_METHOD: None,
}
"""By method, such as ``FeedService/GetFeed``. None: every valid key or certificate may call it."""

WITHIN_TRANSACTION = frozenset(
    {
        "CatalogService/DeletePaper",
        "CatalogService/DeleteDigest",
        "ProfileService/DeleteUser",
        "ProfileService/DeleteEvents",
        "ProfileService/ResetSignals",
    }
)
"""Audited methods whose use case stores the entry in the transaction of its own changes."""


def is_audited(method: str) -> bool:
    """Return whether calls of the method leave an entry in the audit log: admin calls and deletions."""
    is_deletion = method.partition("/")[2].startswith(("Delete", "Reset"))
    return is_deletion or SCOPES.get(method) in {Scope.USERS_ADMIN, Scope.MODELS_ADMIN}
