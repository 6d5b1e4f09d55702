"""The figures and the report that every benchmark prints."""

import ast
import json
import sys
from pathlib import Path

import pytest

from benchmarks.figures import compared, figure, percentiles, report
from tests.process.running import ROOT

SOURCES = sorted((ROOT / "benchmarks").rglob("*.py"))
BENCHMARKS = [path for path in SOURCES if '"--json", action' in path.read_text(encoding="utf-8")]


class TestFigure:
    """One entry of a result."""

    @pytest.mark.parametrize(("value", "holds"), [(19.0, True), (20.0, True), (20.1, False)])
    def test_budget_limits_the_ratio(self, value: float, holds: bool) -> None:
        """If there is a floor, ``at_most`` and ``at_least`` limit value / floor."""
        assert figure("x", value, 10.0, at_most=2.0)["holds"] is holds
        assert figure("x", value, 10.0, at_least=2.0)["holds"] is (value >= 20.0)

    def test_without_a_floor_the_value_is_judged(self) -> None:
        """If there is no floor, the budget limits the value."""
        entry = figure("x", 104.2, at_least=100.0)

        assert entry == {"name": "x", "value": 104.2, "floor": None, "ratio": None, "budget": 100.0, "holds": True}

    def test_without_a_budget_nothing_holds_or_fails(self) -> None:
        """If there is no budget, ``holds`` is None."""
        assert figure("x", 3.0, 2.0)["holds"] is None

    def test_another_number_may_be_judged(self) -> None:
        """The budget limits ``judged`` if it is given, such as the value minus the floor."""
        assert figure("x", 130.0, 100.0, at_most=20.0, judged=30.0)["holds"] is False


def test_rounds_are_compared_by_their_medians() -> None:
    """One disturbed round changes the spread but not the compared values."""
    value, floor, spreads = compared([2.0, 2.2, 90.0], [1.0, 1.0, 3.0])

    assert (value, floor) == (2.2, 1.0)
    assert spreads == {
        "rounds": 3,
        "value_spread": [2.0, 90.0],
        "floor_spread": [1.0, 3.0],
        "ratio_spread": [2.0, 30.0],
    }


def test_percentiles_are_values_that_occurred() -> None:
    """Percentiles are by nearest rank, of values in any order."""
    assert percentiles([float(i) for i in range(1000, -1, -1)]) == {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999}
    assert percentiles([]) == {}


def test_report_names_the_machine_and_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The JSON names the machine and the command without its password; the exit code is 1 if a budget is missed."""
    monkeypatch.setattr(sys, "argv", ["benchmarks/serving/serve.py", "--db", "postgresql://me:secret@host/name"])

    code = report([figure("x", 3.0, 1.0, at_most=2.0), figure("y", 1.0)], as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert code == 1
    assert printed["made_by"]["command"] == "python -m benchmarks.serving.serve --db postgresql://me@host/name"
    assert {"processor", "cores", "memory_gb", "load", "python", "libraries"} <= printed["made_by"]["hardware"].keys()


def test_details_are_in_the_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Details and facts are keys of the JSON; without JSON there is only a line for each figure."""
    found = [figure("x", 1.0, at_most=2.0), figure("y", 3.0, interval=[2.0, 4.0])]

    codes = [report(found, as_json=as_json, details={"calls": [1, 2]}, users=3) for as_json in (True, False)]

    line, *lines = capsys.readouterr().out.splitlines()
    found_json = json.loads(line)
    assert codes == [0, 0]
    assert list(found_json) == ["benchmarks", "calls", "made_by"]
    assert (found_json["calls"], found_json["made_by"]["users"]) == ([1, 2], 3)
    assert lines == ["x: 1.0, budget 2.0: met", "y: 3.0, interval [2.0, 4.0]"]


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_every_benchmark_reports(path: Path) -> None:
    """The ``main`` of each benchmark ends in ``report``, which records how the result was made."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (main,) = (each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "main")

    last = main.body[-1]

    assert isinstance(last, ast.Return)
    assert isinstance(last.value, ast.Call)
    assert ast.unparse(last.value.func) == "report"
    assert "as_json=" in ast.unparse(last.value)
