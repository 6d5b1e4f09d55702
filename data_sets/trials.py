"""What a canary and the serving bundle earned, from a service's database, read in one read-only transaction."""

import datetime as dt
from collections.abc import Callable, Iterator

from data_sets.slates import logged_event, logged_slate, user_ids
from service.app.ports import Store, Transaction
from training.judgement.trial import ServedSlate, Trial, TrialBuilder
from training.progress import Progress, silent

BEFORE = dt.timedelta(days=28)
"""Slates made this long before the canary tell how much each user reacts anyway."""
_SLATES_AT_A_TIME = 500


def read_trial(
    store: Store,
    *,
    canary: str,
    serving: str,
    since: dt.datetime,
    began: dt.datetime | None = None,
    in_canary: Callable[[str], bool],
    progress: Progress = silent,
) -> Trial:
    """Read the slates made since a canary began and for some time before, with the reactions to them.

    Deleted users are not in it. Users without a slate since then are left out.

    Args:
        canary: Version of the canary.
        serving: Version of the bundle that serves the other users.
        since: Time from which slates are compared.
        began: Time at which the canary began; ``since`` if None.
        in_canary: Returns whether a user id belongs to the canary.

    Raises:
        StorageUnavailable: The database does not answer.
    """
    began = since if began is None else began
    builder = TrialBuilder(canary, serving, since=since.timestamp(), began=began.timestamp())
    with store.read() as tx:
        users = list(user_ids(tx))
        for number, user_id in enumerate(users, 1):
            slates = list(_since(tx, user_id, began - BEFORE))
            if slates and slates[-1].created_at >= since.timestamp():
                events = [logged_event(event) for event in tx.users.events(user_id)]
                builder.add(slates, events, in_canary=in_canary(user_id))
            progress("reading slates", number, len(users))
    return builder.built()


def _since(tx: Transaction, user_id: str, since: dt.datetime) -> Iterator[ServedSlate]:
    """Yield a user's slates made at ``since`` or later, oldest first, without features."""
    after = (since, "")
    while found := tx.slates.of_user_after(user_id, after, limit=_SLATES_AT_A_TIME):
        yield from (
            ServedSlate(logged_slate(each), each.fallback_reason.value, each.created_at.timestamp()) for each in found
        )
        after = (found[-1].created_at, found[-1].slate_id)
