"""The digest that the demo ranks."""

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path

from paperfeed.v1 import catalog_pb2


@dataclass(frozen=True)
class DemoDigest:
    """A digest with its papers, and the time (on its day) as of which the demo asks for feeds."""

    digest_id: str
    title: str
    as_of: dt.datetime
    papers: list[catalog_pb2.Paper]


def read_demo_digest(path: Path | None, date: str | None) -> DemoDigest:
    """Read the user's own digest, or the sample digest if no path is given.

    Raises:
        InvalidField: A date is given without a digest, or is wrong.
        InvalidFile: The digest cannot be read.
    """
    from cli.demo.users import SAMPLE_DATE, sample_digest_path
    from service.api.convert import from_paper
    from service.bootstrap import SystemClock
    from service.domain.errors import InvalidField
    from service.ingest.digests.digest import read_digest
    from service.ingest.times import parse_date

    now = SystemClock().now()
    day: dt.date | None
    if path is None:
        if date is not None:
            raise InvalidField("date", "belongs to your own digest: give --digest too")
        path, day = sample_digest_path(), SAMPLE_DATE
        title = "a sample digest, invented for this demo"
    else:
        day = parse_date(date, now=now) if date else None
        title = path.name
    parsed = read_digest(path, date=day, now=now)
    as_of = dt.datetime.combine(parsed.date, dt.time(18), dt.UTC)
    # The papers and their upvotes count as first seen on the digest's day, as of which the demo asks for feeds.
    papers = [from_paper(replace(paper, first_seen_at=paper.first_seen_at or as_of)) for paper in parsed.papers]
    return DemoDigest(f"{parsed.source_name}-{parsed.date}", f"{title} ({parsed.date})", as_of, papers)
