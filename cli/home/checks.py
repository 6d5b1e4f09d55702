"""The checks of ``paperfeed doctor``. Each gives what it found, and if something is wrong, what to do."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from cli.home.plan import Home
from cli.imports.http import open_http
from cli.imports.personal import USER
from cli.imports.sources import chosen_sources
from cli.local import opened_store
from mailer.config import MailSettings
from mailer.errors import MailerError
from mailer.sending.signing import signed
from mailer.sending.smtp import Answer, SmtpConnection, Verdict
from mailer.storage import schema as mail_schema
from service.bootstrap import bundle_folder, make_bundle
from service.config import Settings, without_password
from service.domain.errors import InvalidField, PaperfeedError
from service.fetch.source import Source
from service.ingest.libraries.library import read_library
from service.process.ports import check_port
from service.resources import cache_file, make_encoder
from service.storage import schema

SOURCE_SECONDS = 15.0
SERVER_SECONDS = 1.0


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        found: What was found, in one line.
        remedy: What to do if something is wrong; empty if nothing is.
        seconds: Time that the check took.
    """

    name: str
    found: str
    remedy: str = ""
    seconds: float = 0.0

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.remedy


class _Wrong(Exception):
    """Something is wrong, and there is something to do about it."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy


def checks(home: Home, send_test: str = "") -> Iterator[Check]:
    """Yield the checks one by one, as each ends.

    Args:
        send_test: Address to send a test message to; empty sends none.
    """
    yield Check("settings", str(home.path))
    yield _check("database", lambda: _database(home.service))
    yield _check("mailer's tables", lambda: _mail_database(home.mail))
    if home.library.file or home.library.list or home.library.zotero:
        yield _check("library", lambda: _library(home))
    yield _check("encoder", lambda: _encoder(home.service))
    yield _check("bundle", lambda: _bundle(home.service))
    sources = chosen_sources(home.service, home.sources)
    if not sources:
        yield Check("sources", "none is named", "name one in the table [sources]")
    for source in sources:
        yield _check(source.name, lambda source=source: _source(home.service, source))  # type: ignore[misc]
    if home.schedule.mail_to or send_test:
        yield _check("mail", lambda: _smtp(home.mail, send_test))
    yield _check("port of the server", lambda: _server_port(home.service))
    yield _check("port of the pages", lambda: _pages_port(home.mail))


def _check(name: str, find: Callable[[], str]) -> Check:
    began, remedy = time.monotonic(), ""
    try:
        found = find()
    except _Wrong as wrong:
        found, remedy = wrong.found, wrong.remedy
    except (PaperfeedError, MailerError, OSError) as error:
        found, remedy = str(error), "mend what this line names, and run `paperfeed doctor` again"
    return Check(name, found, remedy, time.monotonic() - began)


def _database(settings: Settings) -> str:
    shown = without_password(settings.db)
    if schema.current_revision(settings.db) is None:
        return f"{shown} is not there yet; `paperfeed up` makes it"
    try:
        with opened_store(settings.db) as store, store.read() as tx:
            newest, papers = tx.digests.find_newest(), tx.papers.count()
    except PaperfeedError as error:
        raise _Wrong(f"{shown}: {error}", "back it up, then run `paperfeed db upgrade`") from error
    digest = f"the newest digest is {newest.digest_id}" if newest else "no digest yet"
    return f"{shown}: {papers:,} papers, {digest}"


def _mail_database(settings: MailSettings) -> str:
    shown = without_password(settings.db)
    revision = mail_schema.current_revision(settings.db)
    if revision is None:
        return f"{shown} has none yet; `paperfeed up` makes them"
    try:
        mail_schema.check(settings.db)
    except MailerError as error:
        raise _Wrong(f"{shown}: {error}", "back it up, then run `paperfeed mail upgrade`") from error
    return f"{shown}, revision {revision}"


def _library(home: Home) -> str:
    found, remedy = [], "correct the table [library] of the settings"
    try:
        if home.library.file:
            found.append(f"{home.library.file}: {len(read_library(home.library.file).papers):,} papers")
    except PaperfeedError as error:
        raise _Wrong(str(error), remedy) from error
    for path in filter(None, (home.library.list, home.library.zotero_key_file)):
        if not Path(path).is_file():
            raise _Wrong(f"there is no file {path}", remedy)
    if home.library.list:
        found.append(home.library.list)
    if home.library.zotero:
        found.append(f"Zotero {home.library.zotero}")
    return f"{', '.join(found)}; likes of the user '{USER}'"


def _encoder(settings: Settings) -> str:
    try:
        with closing(make_encoder(settings)) as encoder:
            vectors = encoder.encode(["A paper about encoders"])
    except PaperfeedError as error:
        remedy = "check the setting encoder; the default needs: pip install 'paperfeed[server]'"
        raise _Wrong(str(error), remedy) from error
    return f"{encoder.name} embeds a text in {vectors.shape[1]} dimensions"


def _bundle(settings: Settings) -> str:
    with closing(make_encoder(settings, cache_path=cache_file(settings))) as encoder:
        try:
            bundle = make_bundle(settings, encoder.name)
        except PaperfeedError as error:
            remedy = "remove the settings bundle and encoder, or name a bundle that fits the encoder"
            raise _Wrong(str(error), remedy) from error
    return f"{bundle.version} in {bundle_folder(settings)}"


def _source(settings: Settings, source: Source) -> str:
    today = dt.datetime.now(dt.UTC).date()
    try:
        with open_http(settings, tries=1, timeout_seconds=SOURCE_SECONDS, pause_seconds=0.0) as http:
            size = len(http.get(source.address(today)))
    except InvalidField as error:
        raise _Wrong(str(error), "correct the table [sources] of the settings") from error
    except PaperfeedError as error:
        remedy = "check the network and the address; a source that is busy answers later"
        raise _Wrong(str(error), remedy) from error
    return f"answers, {size:,} bytes"


def _smtp(settings: MailSettings, send_test: str) -> str:
    with closing(SmtpConnection(settings)) as smtp:
        answer = smtp.send(send_test, _test_message(settings, send_test)) if send_test else smtp.check()
    server = f"{settings.smtp_host}:{settings.smtp_port}"
    if answer.verdict is not Verdict.ACCEPTED:
        raise _Wrong(f"{server}: {answer.problem}", _smtp_remedy(answer, settings))
    done = f"accepted a test message to {send_test}" if send_test else f"accepts mail from {settings.sender_address}"
    return f"{server} {done}"


def _smtp_remedy(answer: Answer, settings: MailSettings) -> str:
    if answer.verdict is Verdict.UNKNOWN_RECIPIENT:
        return "check the address of --send-test"
    if answer.verdict in {Verdict.SERVER_BUSY, Verdict.LATER}:
        return "check smtp_host, smtp_port and smtp_security in the table [mail], or try again later"
    user = "smtp_user, smtp_password_file" if settings.smtp_user else "smtp_user (no log-in is set)"
    return f"check {user} and sender_address in the table [mail]"


def _test_message(settings: MailSettings, address: str) -> bytes:
    message = EmailMessage()
    message["From"] = f"{settings.sender_name} <{settings.sender_address}>"
    message["To"] = address
    message["Subject"] = "A test message from paperfeed"
    message["Date"] = format_datetime(dt.datetime.now(dt.UTC))
    message["Message-ID"] = make_msgid(domain=settings.sender_address.rpartition("@")[2])
    message.set_content("`paperfeed doctor --send-test` sent this message. If you read it, mail works.\n")
    return signed(message.as_bytes(policy=message.policy.clone(linesep="\r\n")), settings)


def _server_port(settings: Settings) -> str:
    import grpc

    from paperfeed.client import Client

    place = f"{settings.host}:{settings.port}"
    try:
        check_port(settings.host, settings.port)
    except InvalidField as error:
        with Client(place) as client:
            try:
                client.wait_until_ready(SERVER_SECONDS)
            except grpc.FutureTimeoutError:
                raise _Wrong(error.problem, "end that program, or set another port in the table [service]") from error
        return f"{place} has a running server"
    return f"{place} is free"


def _pages_port(settings: MailSettings) -> str:
    place = f"{settings.host}:{settings.port}"
    try:
        check_port(settings.host, settings.port)
    except InvalidField as error:
        try:
            with urlopen(f"http://{place}/healthz", timeout=SERVER_SECONDS) as answer:
                is_ours = answer.read() == b"ok"
        except (URLError, OSError):
            is_ours = False
        if not is_ours:
            remedy = "end that program, or set another port (and base_url) in the table [mail]"
            raise _Wrong(error.problem, remedy) from error
        return f"{place} has running pages"
    return f"{place} is free"
