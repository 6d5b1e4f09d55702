"""A tiny run of the scaling benchmark."""

import json

import pytest

from benchmarks.jobs import scaling
from benchmarks.plots import curves


def test_candidates_and_likes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The curves have a slate, its stages and its floor at every number of candidates and likes."""
    monkeypatch.setattr(scaling, "MOST_USERS", 4)
    words = ["--only", "candidates", "likes", "--candidates", "20", "77", "--likes", "5", "--rounds", "2", "--json"]

    assert scaling.main(words) == 0

    figures = json.loads(capsys.readouterr().out)["benchmarks"]
    lines = curves(figures)
    assert [x for x, _ in lines["candidates"]["slate of 20"]] == [20, 77]
    assert [x for x, _ in lines["likes"]["features"]] == [5]
    assert all(lines["likes"][name][0][1] > 0 for name in ("first slate after a like", "slate of 20"))
