"""How a slate shares its places between sections."""

from collections import Counter

import pytest

from ranker.features import SCHEMA
from service.app.ranking.prepared_user import PreparedUser
from service.app.ranking.ranking import Ranking
from service.app.ranking.sections import Section, mixed
from service.domain.feeds import FallbackReason, SlateItem
from service.domain.interests import Interest, InterestOrigin
from service.domain.papers import Paper


def section(name: str, weight: float, likes: int = 1) -> Section:
    interest = Interest(name, name, InterestOrigin.LIST, weight, False, 0, ())
    liked = tuple(Paper(paper_id=f"{name}-like-{number}", title="A title") for number in range(likes))
    return Section(interest, PreparedUser(state=None, profile=None, liked=liked))


def ranking(name: str, probabilities: list[float | None], shared: str = "") -> Ranking:
    """Return the papers NAME-0, NAME-1, ... with these probabilities; ``shared`` is the id of the first one."""
    ids = [f"{name}-{number}" for number in range(len(probabilities))]
    if shared:
        ids[0] = shared
    items = tuple(
        SlateItem(rank, paper_id, -float(rank), probability=probability)
        for rank, (paper_id, probability) in enumerate(zip(ids, probabilities, strict=True), start=1)
    )
    return Ranking("model", "features", FallbackReason.NONE, items, bytes(4 * len(SCHEMA) * len(items)))


def order(weights: dict[str, float], *rankings: Ranking) -> list[str]:
    return [item.interest_id for item in mixed([section(*each) for each in weights.items()], rankings).items]


SHARP: list[float | None] = [0.4, 0.3, *[0.001] * 38]
FLAT: list[float | None] = [0.05, 0.04, 0.04, 0.03, 0.03, *[0.02] * 10, *[0.001] * 25]


def test_an_unsure_section_gets_more_places() -> None:
    """A section whose likely papers are spread over many places gets more of the first twenty, not all."""
    found = order({"sharp": 0.5, "flat": 0.5}, ranking("sharp", SHARP), ranking("flat", FLAT))

    places = Counter(found[:20])
    assert places["flat"] > places["sharp"] >= 3
    assert found[:3].count("sharp") == 1
    assert len(found) == 80


def test_a_section_with_few_likes_gets_more_places() -> None:
    """Of two sections with equal weights and probabilities, the one with fewer likes gets more of the first twenty."""
    sections = [section("few", 0.5, likes=5), section("many", 0.5, likes=20)]
    found = [item.interest_id for item in mixed(sections, [ranking("few", FLAT), ranking("many", FLAT)]).items]

    places = Counter(found[:20])
    assert 13 <= places["few"] <= 17
    assert set(found[:3]) == {"few", "many"}


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.8, 0.2), (0.1, 0.9), (0.5, 0.0), (0.3, 0.3)])
@pytest.mark.parametrize("sections", [(SHARP, FLAT), (FLAT, SHARP), (SHARP, [0.0001] * 40)])
def test_each_beginning_holds_a_third_of_each_share(
    weights: tuple[float, float], sections: tuple[list[float | None], list[float | None]]
) -> None:
    """However sure the model is of one section, the other has its best paper in time and a third of its share."""
    names = dict(zip(("first", "second"), weights, strict=True))
    found = order(names, *(ranking(name, part) for name, part in zip(names, sections, strict=True)))

    for count in range(1, 41):
        places = Counter(found[:count])
        for name, weight in names.items():
            share = weight / sum(weights) * count
            assert places[name] >= int(share / 3 + 0.5)


@pytest.mark.parametrize("weight", [0.5, 0.25, 0.7])
def test_places_follow_the_weights_without_probabilities(weight: float) -> None:
    """If one section has papers without a probability, every beginning is shared by weight alone."""
    weights = {"known": weight, "unknown": 1 - weight}
    found = order(weights, ranking("known", FLAT), ranking("unknown", [None] * 40))

    for count in range(1, 41):
        assert abs(found[:count].count("known") - weight * count) <= 1


def test_a_paper_of_two_sections_stands_once() -> None:
    """The second section counts the paper as shown, and goes on with its next one."""
    found = mixed(
        [section("one", 0.5), section("two", 0.5)], [ranking("one", SHARP, "both"), ranking("two", SHARP, "both")]
    )

    papers = [item.paper_id for item in found.items]
    assert len(papers) == len(set(papers)) == 79
    assert papers[0] == "both"
    assert set(papers[1:3]) == {"one-1", "two-1"}


def test_a_section_without_weight_comes_last() -> None:
    """Its papers follow those of all others."""
    found = order({"none": 0.0, "all": 1.0}, ranking("none", SHARP), ranking("all", FLAT))
    assert found == ["all"] * 40 + ["none"] * 40
