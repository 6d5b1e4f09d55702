"""The mailer's database as the commands of ``paperfeed mail`` open it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.destination import check_database

if TYPE_CHECKING:
    from mailer.storage import MailStore

MailDb = Annotated[
    str | None,
    typer.Option("--mail-db", help="URL of the mailer's own database: sqlite:///PATH or postgresql://USER@HOST/NAME."),
]


@contextmanager
def open_store(url: str) -> Iterator["MailStore"]:
    """Open the mailer's database, and create the schema if the database is empty."""
    from mailer import storage
    from mailer.storage import schema

    if schema.current_revision(url) is None:
        schema.upgrade(url)
    schema.check(url)
    with storage.open_store(url) as store:
        yield store


def configured_store(mail_db: str | None, *, may_make: bool = False) -> AbstractContextManager["MailStore"]:
    """Open the database that ``--mail-db`` or else the settings name.

    Args:
        may_make: See ``check_database``.
    """
    from mailer.config import MailSettings

    url = MailSettings.read(db=mail_db).db
    check_database("mail-db", url, is_given="db" in MailSettings.given(db=mail_db), may_make=may_make)
    return open_store(url)
