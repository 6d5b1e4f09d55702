"""docs/ranking.md lists the features, directions and families of the code."""

import re

from ranker.features import SCHEMA
from tests.process.running import ROOT

PAGE = (ROOT / "docs" / "ranking.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z0-9_]+)` \| (.+) \| (up|down|free) \|$", re.MULTILINE)
WORDS = {1: "up", -1: "down", 0: "free"}


def test_every_feature_with_its_direction() -> None:
    """The table lists exactly the features of the schema, in its order, with their directions."""
    found = {name: direction for name, _, direction in ROW.findall(PAGE)}
    expected = {name: WORDS[sign] for name, sign in zip(SCHEMA.names, SCHEMA.directions, strict=True)}
    assert found == expected
    assert list(found) == list(SCHEMA.names)


def test_every_family_has_its_ablation() -> None:
    """The ablation table has one row for each family."""
    part = PAGE.partition("\n## Ablation\n")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| ([a-z]+) \|", part, re.MULTILINE))[1:] == SCHEMA.families


def test_contents_lead_somewhere() -> None:
    """The table of contents links to every section of the page and to nothing else."""
    linked = re.findall(r"^- \[.+\]\(#(.+)\)$", PAGE, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert linked == [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings]
