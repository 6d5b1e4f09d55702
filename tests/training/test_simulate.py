import numpy as np
import pytest

from training.simulate import GREATEST, MadeUpPaper, World


def paper(field: str, age_days: float) -> MadeUpPaper:
    """A paper without a text."""
    return MadeUpPaper("p", "", "", field, age_days, 1)


def test_same_world() -> None:
    """A seed names a world, its papers and what its readers do."""
    worlds = [World(seed=seed) for seed in (1, 1, 2)]
    papers = [world.papers("a", 30) for world in worlds]
    reactions = [world.reactions(world.readers(1)[0], found) for world, found in zip(worlds, papers, strict=True)]

    assert papers[0] == papers[1] != papers[2]
    assert reactions[0] == reactions[1]


def test_tastes() -> None:
    """Readers want what is new in their own field; upvotes mean nothing."""
    reader = World(seed=0).readers(1)[0]
    other = next(each.field for each in World(seed=0).readers(2)[1:])

    assert reader.attraction(paper(reader.field, 0)) == GREATEST
    assert reader.attraction(paper(reader.field, 3)) > reader.attraction(paper(reader.field, 9))
    assert reader.attraction(paper(reader.field, 3)) > reader.attraction(paper(other, 3))


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_reactions_follow_the_model(exponent: float) -> None:
    """Each place is reacted to as often as examination times attraction says, and the value is their sum."""
    world = World(seed=3, exponent=exponent)
    reader, shown = world.readers(1)[0], [paper("vision", age) for age in (5, 0, 9, 2, 1)]
    draws = 4_000
    counts = np.zeros(5)
    for _ in range(draws):
        counts[[each.place for each in world.reactions(reader, shown) if each.kind == "click"]] += 1
    expected = np.arange(1, 6) ** -exponent * [reader.attraction(each) for each in shown]

    assert np.abs(counts / draws - expected).max() < 0.035
    assert world.value(reader, shown) == pytest.approx(expected.sum())
