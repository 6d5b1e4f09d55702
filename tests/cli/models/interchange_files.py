"""Writes data sets as files of papers and events."""

import datetime as dt
import json
import math
from pathlib import Path

from training.data.snapshot import Dataset

HEADER = "user_id,paper_id,event,occurred_at\n"


def moment(seconds: float) -> str:
    """Return the time in ISO 8601; empty for NaN."""
    return "" if math.isnan(seconds) else dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def write(folder: Path, dataset: Dataset) -> tuple[Path, Path]:
    """Write the files of papers and events; return their paths."""
    papers, likes = dataset.papers, dataset.likes
    rows = zip(papers.paper_ids, papers.titles, papers.published_at.tolist(), strict=True)
    lines = [json.dumps({"paper_id": i, "title": t, "published_at": moment(p) or None}) for i, t, p in rows]
    (folder / "papers.jsonl").write_text("\n".join(lines))
    triples = zip(likes.users, likes.papers, likes.liked_at.tolist(), strict=True)
    events = [f"u{r:03},{papers.paper_ids[p]},like,{moment(when)}" for r, p, when in triples]
    (folder / "events.csv").write_text(HEADER + "\n".join(events) + "\n")
    return folder / "papers.jsonl", folder / "events.csv"
