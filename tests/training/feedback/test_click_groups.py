import lightgbm
import numpy as np

from testing.click_log import MORNING, VERSION, logged, sent
from training.data.snapshot import CLICKED, LIKED
from training.feedback.click_groups import LEAST_EXAMINATION_PROPENSITY, ClickGroups, click_groups
from training.feedback.examination import Examination
from training.feedback.joining import LoggedEvent
from training.feedback.log import LogBuilder


def groups_of(*reactions: tuple[str, str], shown: int = 10, exponent: float = 1.0) -> ClickGroups:
    """Return the groups of one slate whose first papers were shown."""
    slate = logged(count=30)
    builder = LogBuilder(VERSION)
    builder.add([slate], [*sent(slate, shown), *(LoggedEvent(*pair, MORNING, "s") for pair in reactions)])
    return click_groups(builder.built(), Examination.given(exponent))


def test_one_group_for_each_reaction() -> None:
    """A group holds the paper with its grade and all other shown papers with 0; other papers are in no group."""
    groups = groups_of(("p1", "click"), ("p7", "like"))

    assert groups.rows.group_sizes.tolist() == [10, 10]
    expected = np.zeros((2, 10))
    expected[0, 1], expected[1, 7] = CLICKED, LIKED
    assert groups.rows.labels.reshape(2, 10).tolist() == expected.tolist()


def test_weights() -> None:
    """The weight of a group is the gain of its grade over the examination propensity, up to a limit."""
    weights = groups_of(("p1", "click"), ("p7", "like"), ("p3", "like")).rows.weights
    assert weights is not None
    by_group = weights.reshape(3, 10)

    assert (by_group == by_group[:, :1]).all()
    assert np.allclose(by_group[:, 0] / by_group[0, 0], [1, 7 * 4 / 2, 7 * 8 / 2])
    assert np.isclose(by_group[:, 0].mean(), 1)
    limited = groups_of(("p0", "click"), ("p29", "click"), shown=30).rows.weights
    assert limited is not None
    assert np.isclose(limited[-1] / limited[0], 1 / LEAST_EXAMINATION_PROPENSITY)


def test_no_group_without_another_paper() -> None:
    """A reaction to the only paper shown gives no group, nor does a slate without reactions."""
    assert len(groups_of(("p0", "click"), shown=1).users) == 0
    assert len(groups_of().users) == 0


def test_part() -> None:
    """Chosen groups keep their rows together and in order."""
    groups = groups_of(("p1", "click"), ("p4", "click"), ("p7", "like"))
    part = groups.where(np.array([True, False, True]))

    assert part.rows.labels.reshape(2, 10).argmax(axis=1).tolist() == [1, 7]
    assert part.rows.group_sizes.tolist() == [10, 10]


def test_why_weights_are_per_group() -> None:
    """In LightGBM the two sides of a pair cancel only if all rows of the group have one weight."""
    features = np.array([[0.0], [1.0]] * 50)
    labels = [0, 1] * 50
    params = {
        "objective": "lambdarank",
        "min_data_in_leaf": 1,
        "num_threads": 1,
        "verbose": -1,
        "boost_from_average": False,
    }

    def values(weights: list[float]) -> list[float]:
        data = lightgbm.Dataset(features, labels, group=[2] * 50, weight=weights)
        booster = lightgbm.train({**params, "num_leaves": 2, "learning_rate": 1.0, "lambda_l2": 1.0}, data, 1)
        return [float(value) for value in booster.predict(np.array([[0.0], [1.0]]))]

    by_row, by_group = values([1.0, 5.0] * 50), values([5.0, 5.0] * 50)
    assert np.isclose(by_group[0], -by_group[1])
    assert not np.isclose(by_row[0], -by_row[1])
