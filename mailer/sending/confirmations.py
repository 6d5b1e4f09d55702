"""Sends confirmation messages, and sends them again later if the SMTP server refuses them for the moment."""

import datetime as dt
import logging
from contextlib import closing

from mailer.clock import Clock
from mailer.config import MailSettings
from mailer.domain.subscription import SubscriptionState
from mailer.issues.message import compose_confirmation
from mailer.links import Links
from mailer.sending.signing import signed
from mailer.sending.smtp import Answer, SmtpConnection, Verdict
from mailer.storage import MailStore, confirmations, subscribers

_log = logging.getLogger("paperfeed.mail")

MAX_ATTEMPTS = 6
HELD = dt.timedelta(minutes=2)
AT_A_TIME = 20
_NOT_WAITING = Answer(Verdict.REFUSED, "the subscription does not wait for a confirmation")


def send_confirmations(store: MailStore, settings: MailSettings, links: Links, clock: Clock) -> int:
    """Send all confirmations that are due, and return the number that the SMTP server accepted."""
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
        _log.warning("a confirmation was not accepted", extra={"facts": facts})
