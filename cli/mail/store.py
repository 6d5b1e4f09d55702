"""The mailer's database as the commands of ``paperfeed mail`` open it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mailer.storage import MailStore

MailDb = Annotated[
    str | None,
    typer.Option("--mail-db", help="URL of the mailer's own database: sqlite:///PATH or postgresql://USER@HOST/NAME."),
]


@contextmanager
def open_store(mail_db: str | None) -> Iterator["MailStore"]:
    """Open the mailer's database, None for the configured one; create the schema if the database is empty."""
    from mailer import storage
    from mailer.config import MailSettings
    from mailer.storage import schema

    url = MailSettings.read(db=mail_db).db
    if schema.current_revision(url) is None:
        schema.upgrade(url)
    schema.check(url)
    store = storage.open_store(url)
    try:
        yield store
    finally:
        store.dispose()
