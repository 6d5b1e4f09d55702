"""docs/ranking.md lists the features with their directions and weights."""

import re

from ranker.features import SCHEMA
from tests.process.running import ROOT
from training.recipes import RECIPES

PAGE = (ROOT / "docs" / "ranking.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z0-9_]+)` \| (.+) \| (up|down|free) \|$", re.MULTILINE)
WORDS = {1: "up", -1: "down", 0: "free"}


def test_every_feature_with_its_direction() -> None:
    """The table lists exactly the features of the schema, in its order, with their directions."""
    found = {name: direction for name, _, direction in ROW.findall(PAGE)}
    expected = {name: WORDS[sign] for name, sign in zip(SCHEMA.names, SCHEMA.directions, strict=True)}
    assert found == expected
    assert list(found) == list(SCHEMA.names)


def test_the_sum_is_that_of_the_default_recipe() -> None:
    """The page gives the sum that the trees correct with the weights of the default recipe."""
    part = PAGE.partition("\n## The sum that the trees correct\n")[2].partition("\n## ")[0]
    terms = re.findall(r"\b(\d+\.\d+) ([a-z_]+)", part)
    assert [(name, float(weight)) for weight, name in terms] == list(RECIPES["default"].base)


def test_contents_lead_somewhere() -> None:
    """The table of contents links to every section of the page and to nothing else."""
    linked = re.findall(r"^- \[.+\]\(#(.+)\)$", PAGE, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert linked == [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings]
