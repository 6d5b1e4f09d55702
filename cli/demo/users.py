"""The sample users and the sample digest. Everything in them is invented."""

import datetime as dt
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from paperfeed.v1 import catalog_pb2

SAMPLE_DATE = dt.date(2026, 3, 11)


@dataclass(frozen=True)
class SampleUser:
    """A user with an interest and likes. ``one_more_like`` is a paper whose like changes the feed."""

    user_id: str
    name: str
    reads: str
    likes: list[catalog_pb2.Paper]
    one_more_like: catalog_pb2.Paper | None


def sample_digest_path() -> Path:
    """Return the path of the sample digest, a JSON Lines file."""
    return Path(str(files("cli.sample") / "digest.jsonl"))


def sample_users() -> list[SampleUser]:
    """Return the three sample users."""
    content = json.loads((files("cli.sample") / "readers.json").read_text(encoding="utf-8"))
    return [
        SampleUser(
            user_id=user["user_id"],
            name=user["name"],
            reads=user["reads"],
            likes=[_paper(paper) for paper in user["likes"]],
            one_more_like=_paper(user["one_more_like"]) if "one_more_like" in user else None,
        )
        for user in content["readers"]
    ]


def _paper(fields: dict[str, Any]) -> catalog_pb2.Paper:
    published_at = fields.pop("published_at", None)
    paper = catalog_pb2.Paper(**fields)
    if published_at:
        paper.published_at.FromJsonString(published_at)
    return paper
