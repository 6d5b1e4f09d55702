"""Sends confirmation messages, and sends them again later if the SMTP server refuses them for the moment."""

import datetime as dt
import logging

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.domain.subscription import SubscriptionState
from mailer.issues.message import compose_confirmation
from mailer.links import Links
from mailer.sending.signing import signed
from mailer.sending.smtp import SmtpConnection, Verdict
from mailer.storage import MailStore, confirmations, subscribers

_log = logging.getLogger("paperfeed.mail")

MAX_ATTEMPTS = 6
HELD_SECONDS = 120.0
AT_A_TIME = 20


def send_confirmations(store: MailStore, settings: MailSettings, links: Links, clock: Clock) -> int:
    """Send all confirmations that are due, and return the number that the SMTP server accepted."""
    sent = 0
    with SmtpConnection(settings) as connection:
        while True:
            now = clock.now()
            with store.write() as transaction:
                again_at = now + dt.timedelta(seconds=HELD_SECONDS)
                due = confirmations.claim(transaction, now, again_at, AT_A_TIME)
            if not due:
                return sent
            for subscriber_id, attempts in due:
                sent += _send(store, settings, links, clock, connection, subscriber_id, attempts)


def _send(
    store: MailStore,
    settings: MailSettings,
    links: Links,
    clock: Clock,
    smtp: SmtpConnection,
    subscriber_id: str,
    attempts: int,
) -> bool:
    with store.read() as connection:
        subscriber = subscribers.find(connection, subscriber_id)
    verdict, problem = Verdict.REFUSED, "the subscription does not wait for a confirmation"
    if subscriber is not None and subscriber.state is SubscriptionState.PENDING:
        content = compose_confirmation(subscriber, settings, links, clock.now())
        answer = smtp.send(subscriber.address, signed(content, settings))
        verdict, problem = answer.verdict, answer.problem
    is_temporary = verdict in {Verdict.LATER, Verdict.SERVER_BUSY, Verdict.SERVER_REFUSES}
    with store.write() as connection:
        if is_temporary and attempts + 1 < MAX_ATTEMPTS:
            until = clock.now() + dt.timedelta(minutes=2.0 ** (attempts + 1))
            confirmations.postpone(connection, subscriber_id, until, problem)
        else:
            confirmations.remove(connection, subscriber_id)
    if verdict is not Verdict.ACCEPTED:
        facts = {"subscriber_id": subscriber_id, "problem": problem, "again": is_temporary}
        _log.warning("a confirmation was not accepted", extra={"facts": facts})
    return verdict is Verdict.ACCEPTED
