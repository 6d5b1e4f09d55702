import numpy as np
import pytest

from testing.simulated_clicks import GREATEST, MadeUpPaper, World


def paper(field: str, age_days: float) -> MadeUpPaper:
    """Return a paper without a text."""
    return MadeUpPaper("p", "", "", field, age_days, 1)


def test_same_world() -> None:
    """The same seed gives the same papers and the same reactions."""
    worlds = [World(seed=seed) for seed in (1, 1, 2)]
    papers = [world.papers("a", 30) for world in worlds]
    reactions = [world.reactions(world.users(1)[0], found) for world, found in zip(worlds, papers, strict=True)]

    assert papers[0] == papers[1] != papers[2]
    assert reactions[0] == reactions[1]


def test_tastes() -> None:
    """Users prefer new papers, and papers of their own field."""
    user = World(seed=0).users(1)[0]
    other = next(each.field for each in World(seed=0).users(2)[1:])

    assert user.attraction(paper(user.field, 0)) == GREATEST
    assert user.attraction(paper(user.field, 3)) > user.attraction(paper(user.field, 9))
    assert user.attraction(paper(user.field, 3)) > user.attraction(paper(other, 3))


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_reactions_follow_the_model(exponent: float) -> None:
    """Users click each place with probability examination times attraction, and the value is the sum."""
    world = World(seed=3, exponent=exponent)
    user, shown = world.users(1)[0], [paper("vision", age) for age in (5, 0, 9, 2, 1)]
    draws = 4_000
    counts = np.zeros(5)
    for _ in range(draws):
        counts[[each.place for each in world.reactions(user, shown) if each.kind == "click"]] += 1
    expected = np.arange(1, 6) ** -exponent * [user.attraction(each) for each in shown]

    assert np.abs(counts / draws - expected).max() < 0.035
    assert world.value(user, shown) == pytest.approx(expected.sum())
