"""Content of the mailer's database, and valid links to the web pages."""

from typing import Any

from sqlalchemy import select

from mailer.domain.subscription import SubscriptionState
from mailer.links import Purpose
from mailer.storage import MailStore, subscribers
from mailer.storage.tables import metadata
from tests.mailer.site import RunningSite

TITLE = "<b>Bold</b> & \u05d0\u05d1 <script>alert(1)</script>"


def dump(store: MailStore) -> dict[str, list[Any]]:
    """Return every row of the database, by table."""
    with store.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


def events(store: MailStore) -> list[tuple[str, str, int]]:
    """Return (event type, paper, is_scanner) of the stored reactions, in order."""
    table = metadata.tables["mail_reactions"]
    columns = (table.c.event_type, table.c.paper_id, table.c.is_scanner)
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(table.c.sequence))]


def state_of(store: MailStore, subscriber_id: str = "s000001") -> SubscriptionState:
    """Return the state of the subscription."""
    with store.read() as connection:
        found = subscribers.find(connection, subscriber_id)
    assert found is not None
    return found.state


def url(site: RunningSite, purpose: Purpose, detail: object = "", number: int = 1) -> str:
    """Return a valid link of a subscriber."""
    return site.links.url(purpose, f"s{number:06d}", f"i{number}", str(detail))


def all_urls(site: RunningSite) -> list[str]:
    """Return one valid link of each purpose."""
    return [url(site, purpose, 1) for purpose in Purpose if purpose is not Purpose.CONFIRM]
