"""The mailer's database as the commands of ``paperfeed mail`` open it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mailer.config import MailSettings
    from mailer.storage import MailStore

MailDb = Annotated[
    str | None,
    typer.Option("--mail-db", help="URL of the mailer's own database: sqlite:///PATH or postgresql://USER@HOST/NAME."),
]


@contextmanager
def open_store(settings: "MailSettings") -> Iterator["MailStore"]:
    """Open the mailer's database; create the schema if the database is empty."""
    from mailer import storage
    from mailer.storage import schema

    if schema.current_revision(settings.db) is None:
        schema.upgrade(settings.db)
    schema.check(settings.db)
    store = storage.open_store(settings.db)
    try:
        yield store
    finally:
        store.dispose()
