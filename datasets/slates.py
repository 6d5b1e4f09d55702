"""The slates of a service's database with what readers did, as columns to learn from and to judge by.

As for other training data, stored rows become columns here, because training knows nothing of the service. All is read
in one transaction that cannot write, one reader after another. Whoever was deleted is not there.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.output import progress_bar, warn

if TYPE_CHECKING:
    from ranker.bundle.bundle import Bundle
    from service.app.ports import Transaction
    from service.domain.events import Event
    from service.domain.feeds import Slate
    from training.feedback.joining import LoggedEvent, LoggedSlate
    from training.feedback.log import LogBuilder, SlateLog

_USERS_AT_A_TIME = 1_000


def read_slates(url: str, bundle: "Bundle", *, since: float, until: float, shown_only: bool) -> "SlateLog":
    """The slates whose features mean what the bundle's mean, with outcomes; says on stderr which others there were.

    Args:
        since: Unix seconds; slates as of earlier are left out.
        until: Unix seconds; slates as of then or later are left out, and events at or after it are not seen.
        shown_only: Whether papers that were not shown are left out.

    Raises:
        InvalidField: The URL is none.
        SchemaMismatch: The database is of another version.
        StorageUnavailable: It is not there, or does not answer.
        TrainingError: It has no slate that can be used; says why.
    """
    from service.storage import open_store, schema
    from training.feedback.log import LogBuilder

    schema.check(url)
    store = open_store(url, pool_size=1)
    builder = LogBuilder(bundle.features_version, since=since, until=until, shown_only=shown_only)
    try:
        with store.read() as tx, progress_bar("reading slates") as bar:
            for user_id in _user_ids(tx):
                _add(tx, user_id, builder)
                bar.advance(1)
    finally:
        store.dispose()
    log = builder.built()
    for reason, count in log.left_out.items():
        warn(f"{count} slates are left out: {reason}")
    return log


def _user_ids(tx: "Transaction") -> Iterator[str]:
    after = ""
    while users := tx.users.page_ids(after=after, limit=_USERS_AT_A_TIME):
        after = users[-1]
        yield from users


def _add(tx: "Transaction", user_id: str, builder: "LogBuilder") -> None:
    slates = [_logged_slate(slate) for slate in tx.slates.of_user(user_id, with_features=True)]
    if slates:
        builder.add(slates, [_logged_event(event) for event in tx.users.events(user_id)])


def _logged_slate(slate: "Slate") -> "LoggedSlate":
    import numpy as np

    from training.feedback.joining import LoggedSlate

    features = np.frombuffer(slate.features, "<f4").astype(np.float32)
    return LoggedSlate(
        slate_id=slate.slate_id,
        user_id=slate.user_id,
        as_of=slate.as_of.timestamp(),
        model_version=slate.model_version,
        features_version=slate.features_version,
        paper_ids=tuple(item.paper_id for item in slate.items),
        features=features.reshape(len(slate.items), -1 if len(slate.items) else 0),
        action_propensities=np.array([item.action_propensity for item in slate.items], dtype=np.float64),
    )


def _logged_event(event: "Event") -> "LoggedEvent":
    from training.feedback.joining import LoggedEvent

    at = event.occurred_at.timestamp() if event.occurred_at else float("nan")
    return LoggedEvent(event.paper_id, event.event_type.value, at, event.slate_id)
