"""The sample readers and where the sample digest lies. Everything in it is invented."""

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
    """Somebody with a taste; ``one_more_like`` is what changes it."""

    user_id: str
    name: str
    reads: str
    likes: list[catalog_pb2.Paper]
    one_more_like: catalog_pb2.Paper | None


def sample_digest_path() -> Path:
    """The sample digest, JSON Lines."""
    return Path(str(files("cli.sample") / "digest.jsonl"))


def sample_users() -> list[SampleUser]:
    """The three sample readers."""
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
