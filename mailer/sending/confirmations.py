"""Sends the messages that people request on the web pages, and sends them again later if the SMTP server is busy.

A requested message is a row of the table of confirmations. The state of the subscription tells which message it is: the
link to confirm a pending subscription, or the link to sign in of an active one.
"""

import datetime as dt
import logging
from contextlib import closing

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.domain.subscription import SubscriptionState
from mailer.issues.message import compose_confirmation, compose_sign_in
from mailer.links import Links
from mailer.sending.signing import signed
from mailer.sending.smtp import Answer, SmtpConnection, Verdict
from mailer.storage import MailStore, confirmations, subscribers

_log = logging.getLogger("paperfeed.mail")

MAX_ATTEMPTS = 6
HELD = dt.timedelta(minutes=2)
AT_A_TIME = 20
_NOT_WAITING = Answer(Verdict.REFUSED, "the subscription neither waits for a confirmation nor is active")


def send_confirmations(store: MailStore, settings: MailSettings, links: Links, clock: Clock) -> int:
    """Send all requested messages that are due, and return the number that the SMTP server accepted."""
    sent = 0
    with closing(SmtpConnection(settings)) as smtp:
        while True:
            now = clock.now()
            with store.write() as connection:
                due = confirmations.claim(connection, now, now + HELD, AT_A_TIME)
            if not due:
                return sent
            for subscriber_id, attempts in due:
                with store.read() as connection:
                    subscriber = subscribers.find(connection, subscriber_id)
                answer = _NOT_WAITING
                if subscriber is not None and subscriber.state is SubscriptionState.PENDING:
                    content = compose_confirmation(subscriber, settings, links, clock.now())
                    answer = smtp.send(subscriber.address, signed(content, settings))
                elif subscriber is not None and subscriber.state is SubscriptionState.ACTIVE:
                    content = compose_sign_in(subscriber, settings, links, clock.now())
                    answer = smtp.send(subscriber.address, signed(content, settings))
                _settle(store, clock, subscriber_id, attempts, answer)
                sent += answer.verdict is Verdict.ACCEPTED


def _settle(store: MailStore, clock: Clock, subscriber_id: str, attempts: int, answer: Answer) -> None:
    is_temporary = answer.verdict in {Verdict.LATER, Verdict.SERVER_BUSY, Verdict.SERVER_REFUSES}
    with store.write() as connection:
        if is_temporary and attempts + 1 < MAX_ATTEMPTS:
            until = clock.now() + dt.timedelta(minutes=2.0 ** (attempts + 1))
            confirmations.postpone(connection, subscriber_id, until, answer.problem)
        else:
            confirmations.remove(connection, subscriber_id)
    if answer.verdict is not Verdict.ACCEPTED:
        facts = {"subscriber_id": subscriber_id, "problem": answer.problem, "again": is_temporary}
        _log.warning("a requested message was not accepted", extra={"facts": facts})
