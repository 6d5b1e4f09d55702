"""A test's own users, papers and digests in a feed service that the tests of a session share."""

import dataclasses
import datetime as dt

from mailer.storage import MailStore, issues
from paperfeed.client import Client
from paperfeed.v1 import profile_pb2
from testing.mailer.feed_service import add_digest, like, papers

FIRST_DAY = dt.datetime(2000, 1, 5, 12, tzinfo=dt.UTC)
WEEKS_BETWEEN = 14


@dataclasses.dataclass(frozen=True)
class OwnFeeds:
    """One test's part of a feed service.

    Ids of users, papers and digests begin with the test's number. Each test has days of its own, a Wednesday and those
    around it, fourteen weeks after the test before. So no test finds another's papers in a time window, and the newest
    digest is always its own.
    """

    target: str
    number: int

    @property
    def today(self) -> dt.datetime:
        """Noon of the test's Wednesday, in UTC."""
        return FIRST_DAY + self.number * dt.timedelta(weeks=WEEKS_BETWEEN)

    def client(self) -> Client:
        """Return a client of the whole service, to be closed by the caller."""
        return Client(self.target, timeout=10)

    def away(self) -> "OwnFeeds":
        """Return the same part of a service that does not answer."""
        return dataclasses.replace(self, target="127.0.0.1:1")

    def behind(self, target: str) -> "OwnFeeds":
        """Return the same part of the service at another address, such as a proxy's."""
        return dataclasses.replace(self, target=target)

    def user_id(self, number: int) -> str:
        """Return the id of the test's user ``number``."""
        return f"t{self.number}-u{number:06d}"

    def digest_id(self, name: str) -> str:
        """Return the id of the test's digest of that name."""
        return f"t{self.number}-{name}"

    def paper_id(self, name: str) -> str:
        """Return the id of the test's paper of that name."""
        return f"t{self.number}-{name}"

    def title(self, paper: str) -> str:
        """Return the part of the paper's title that no other paper has; ``paper`` may be a beginning of a name."""
        return f"part {self.paper_id(paper)}"

    def add_digest(
        self, name: str, *prefixes_and_counts: str | int, days: int = 0, seen_days: int | None = None
    ) -> None:
        """Store a digest, ``days`` after the test's day, of papers such as ``("a", 10)``: a0 to a9.

        Args:
            seen_days: Days from the test's day to the day on which the papers were first seen; None means ``days``.
        """
        pairs = zip(prefixes_and_counts[::2], prefixes_and_counts[1::2], strict=True)
        day = self.today + dt.timedelta(days=days)
        seen = day if seen_days is None else self.today + dt.timedelta(days=seen_days)
        found = [
            paper
            for prefix, count in pairs
            for paper in papers(self.paper_id(str(prefix)), int(count), first_seen_at=seen)
        ]
        with self.client() as client:
            add_digest(client, self.digest_id(name), day.date(), found)

    def like(self, user: int, *names: str) -> None:
        """Record that the user likes the papers of these names."""
        with self.client() as client:
            like(client, self.user_id(user), [self.paper_id(name) for name in names])

    def delete_user(self, user: int) -> None:
        """Delete the user in the service."""
        with self.client() as client:
            client.profiles.DeleteUser(profile_pb2.DeleteUserRequest(user_id=self.user_id(user)))

    def reported(self, user: int) -> set[str]:
        """Return the names of the papers that the service knows to have been sent to the user."""
        with self.client() as client:
            answers = client.profiles.ExportUser(profile_pb2.ExportUserRequest(user_id=self.user_id(user)))
            events = [answer.event for answer in answers if answer.HasField("event")]
        return {self.name(each.paper_id) for each in events if each.event_type == profile_pb2.EVENT_TYPE_SENT}

    def sent(self, store: MailStore, user: int) -> list[list[str]]:
        """Return the names of the papers in each issue that was sent to the user, newest issue first."""
        with store.read() as connection:
            found = issues.list_of(connection, f"s{user:06d}", 20)
            return [
                [self.name(paper.paper_id) for paper in issues.papers_of(connection, each.issue_id)] for each in found
            ]

    def name(self, full_id: str) -> str:
        """Return the name of a paper or digest of this test without the test's number."""
        return full_id.removeprefix(f"t{self.number}-")
