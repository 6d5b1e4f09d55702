"""What every benchmark prints."""

import json
import sys

import pytest

from benchmarks.figures import compared, figure, percentiles, report


class TestFigure:
    """One entry."""

    @pytest.mark.parametrize(("value", "holds"), [(19.0, True), (20.0, True), (20.1, False)])
    def test_budget_limits_the_ratio(self, value: float, holds: bool) -> None:
        """With a floor, ``at_most`` and ``at_least`` are of value / floor."""
        assert figure("x", value, 10.0, at_most=2.0)["holds"] is holds
        assert figure("x", value, 10.0, at_least=2.0)["holds"] is (value >= 20.0)

    def test_without_a_floor_the_value_is_judged(self) -> None:
        """So are promises without anything to compare with."""
        entry = figure("x", 104.2, at_least=100.0)

        assert entry == {"name": "x", "value": 104.2, "floor": None, "ratio": None, "budget": 100.0, "holds": True}

    def test_without_a_budget_nothing_holds_or_fails(self) -> None:
        """It is only shown."""
        assert figure("x", 3.0, 2.0)["holds"] is None

    def test_another_number_may_be_judged(self) -> None:
        """Such as what lies beyond the floor."""
        assert figure("x", 130.0, 100.0, at_most=20.0, judged=30.0)["holds"] is False


def test_rounds_are_compared_by_their_medians() -> None:
    """One disturbed round does not decide; it is seen in the spread."""
    value, floor, spreads = compared([2.0, 2.2, 90.0], [1.0, 1.0, 3.0])

    assert (value, floor) == (2.2, 1.0)
    assert spreads == {
        "rounds": 3,
        "value_spread": [2.0, 90.0],
        "floor_spread": [1.0, 3.0],
        "ratio_spread": [2.0, 30.0],
    }


def test_percentiles_are_values_that_occurred() -> None:
    """By nearest rank, of values in any order."""
    assert percentiles([float(i) for i in range(1000, -1, -1)]) == {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999}
    assert percentiles([]) == {}


def test_report_names_the_machine_and_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line; exit code 1 where a budget does not hold; the command is shown without the database's password."""
    monkeypatch.setattr(sys, "argv", ["benchmarks/serve.py", "--db", "postgresql://me:secret@host/name"])

    code = report([figure("x", 3.0, 1.0, at_most=2.0), figure("y", 1.0)], as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert code == 1
    assert printed["made_by"]["command"] == "python -m benchmarks.serve --db postgresql://me@host/name"
    assert {"processor", "cores", "memory_gb", "load", "python", "libraries"} <= printed["made_by"]["hardware"].keys()
