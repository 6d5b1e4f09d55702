"""Slates and their outcomes from a service's database, read in one read-only transaction.

Deleted users are not in it.
"""

from collections.abc import Iterator

import numpy as np

from ranker.bundle.bundle import Bundle
from service.app.ports import Transaction
from service.app.ranking.placing import seconds_of
from service.domain.events import Event
from service.domain.feeds import Slate
from service.storage import open_store, schema
from training.dates import END_OF_TIME, START_OF_TIME
from training.feedback.joining import LoggedEvent, LoggedSlate
from training.feedback.log import LogBuilder, SlateLog
from training.progress import Progress, Warn, silent, unheard

_USERS_AT_A_TIME = 1_000


def read_slates(
    url: str,
    bundle: Bundle,
    *,
    since: float = START_OF_TIME,
    until: float = END_OF_TIME,
    shown_only: bool,
    progress: Progress = silent,
    warn: Warn = unheard,
) -> SlateLog:
    """Read the slates whose features have the bundle's ``features_version``, with their outcomes.

    Args:
        since: Unix seconds; slates as of an earlier time are left out.
        until: Unix seconds; slates as of this time or later are left out, and so are events at or after it.
        shown_only: Leave out papers that were not shown.
        warn: Hears how many slates are left out, once for each reason.

    Raises:
        InvalidField: The URL is not a database URL.
        SchemaMismatch: The database has the schema of another version.
        StorageUnavailable: The database does not exist or does not answer.
        TrainingError: No slate can be used; the message gives the reasons.
    """
    schema.check(url)
    builder = LogBuilder(bundle.features_version, since=since, until=until, shown_only=shown_only)
    with open_store(url, pool_size=1) as store, store.read() as tx:
        users = list(user_ids(tx))
        for number, user_id in enumerate(users, 1):
            slates = [logged_slate(slate) for slate in tx.slates.of_user(user_id, with_features=True)]
            if slates:
                builder.add(slates, [logged_event(event) for event in tx.users.events(user_id)])
            progress("reading slates", number, len(users))
    log = builder.built()
    for reason, count in log.left_out.items():
        warn(f"{count} slates are left out: {reason}")
    return log


def user_ids(tx: Transaction) -> Iterator[str]:
    """Yield the ids of all users, ascending."""
    after = ""
    while users := tx.users.page_ids(after=after, limit=_USERS_AT_A_TIME):
        after = users[-1]
        yield from users


def logged_slate(slate: Slate) -> LoggedSlate:
    """Return a stored slate as training sees it; without features if it was read without them."""
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
        has_sections=len(slate.sections) > 1,
    )


def logged_event(event: Event) -> LoggedEvent:
    """Return a stored event as training sees it."""
    return LoggedEvent(event.paper_id, event.event_type.value, seconds_of(event.occurred_at), event.slate_id)
