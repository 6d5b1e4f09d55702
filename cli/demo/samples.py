"""The digest that the demo ranks, and its users. The users and the sample digest are invented."""

import datetime as dt
import json
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from google.protobuf.json_format import ParseDict

from paperfeed.v1.catalog_pb2 import Paper
from service.api.convert import from_paper
from service.domain.errors import InvalidField
from service.ingest.digests.digest import read_digest
from service.ingest.times import parse_date

SAMPLE_DATE = dt.date(2026, 3, 11)


@dataclass(frozen=True)
class DemoDigest:
    """A digest with its papers, and the time (on its day) as of which the demo asks for feeds."""

    digest_id: str
    title: str
    as_of: dt.datetime
    papers: list[Paper]


@dataclass(frozen=True)
class SampleUser:
    """A user with an interest and likes. The first user has one more like, which changes the feed."""

    user_id: str
    name: str
    reads: str
    likes: list[Paper]
    one_more_like: Paper


def sample_users() -> list[SampleUser]:
    """Return the three sample users."""
    content = json.loads((files("cli.sample") / "readers.json").read_text(encoding="utf-8"))
    return [
        SampleUser(
            user_id=user["user_id"],
            name=user["name"],
            reads=user["reads"],
            likes=[ParseDict(paper, Paper()) for paper in user["likes"]],
            one_more_like=ParseDict(user.get("one_more_like", {}), Paper()),
        )
        for user in content["readers"]
    ]


def read_demo_digest(path: Path | None, date: str | None) -> DemoDigest:
    """Read the user's own digest, or the sample digest if no path is given.

    Raises:
        InvalidField: A date is given without a digest, or is wrong.
        InvalidFile: The digest cannot be read.
    """
    if path is None and date is not None:
        raise InvalidField("date", "belongs to your own digest: give --digest too")
    now = dt.datetime.now(dt.UTC)
    day = parse_date(date, now=now) if date else None
    title = path.name if path else "a sample digest, invented for this demo"
    if path is None:
        path, day = Path(str(files("cli.sample") / "digest.jsonl")), SAMPLE_DATE
    parsed = read_digest(path, date=day, now=now)
    as_of = dt.datetime.combine(parsed.date, dt.time(18), dt.UTC)
    # The papers and their upvotes count as first seen on the digest's day, as of which the demo asks for feeds.
    papers = [from_paper(replace(paper, first_seen_at=paper.first_seen_at or as_of)) for paper in parsed.papers]
    return DemoDigest(f"{parsed.source.partition('/')[0]}-{parsed.date}", f"{title} ({parsed.date})", as_of, papers)
