"""What ``paperfeed up`` does to the databases before anything is started."""

from dataclasses import replace

from cli.home.plan import Home
from cli.imports.personal import USER
from cli.mail.store import open_store
from cli.output import warn
from mailer.clock import SystemClock
from mailer.domain.address import parse_address
from mailer.domain.subscription import SubscriptionState
from mailer.storage import MailStore, subscribers
from mailer.subscribers.schedule import parse_schedule
from mailer.subscribers.subscriptions import Entry, Subscriptions
from service.resources import prepare_store

CONSENT = "own address, named in paperfeed.toml"


def prepare(home: Home) -> bool:
    """Make the databases if they are missing, and subscribe the person's address; return whether a digest is there."""
    store = prepare_store(home.service)
    try:
        with store.read() as tx:
            has_digest = tx.digests.find_newest() is not None
    finally:
        store.dispose()
    with open_store(home.mail.db) as mail_store:
        if home.schedule.mail_to:
            _subscribe(mail_store, home)
    return has_digest


def _subscribe(store: MailStore, home: Home) -> None:
    """Subscribe the address of the settings, or change the subscription to what they say now."""
    wanted, subscriptions = home.schedule, Subscriptions(store, SystemClock())
    schedule, address = parse_schedule(",".join(wanted.days), wanted.at, wanted.zone), parse_address(wanted.mail_to)
    with store.read() as connection:
        found = subscribers.find_by_user(connection, USER)
    if found is None:
        subscriptions.add_many([Entry(USER, address, "", schedule, wanted.mail_papers)], CONSENT)
    elif found.state is not SubscriptionState.ACTIVE:
        warn(f"no mail is sent to {found.address}: its subscription is {found.state.value}")
    elif (found.address, found.schedule, found.paper_count) != (address, schedule, wanted.mail_papers):
        subscriptions.change(found.subscriber_id, schedule, wanted.mail_papers, found.name)
        with store.write() as connection:
            changed = subscribers.find(connection, found.subscriber_id)
            if changed is not None:
                subscribers.save(connection, replace(changed, address=address))
