import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.report.reading import check_self_contained, words_of
from training.report.charts import Row, Scale, bars, curve, intervals

REAL = st.floats(-1e3, 1e3).map(lambda value: round(value, 6))


@given(st.lists(REAL, min_size=1, max_size=9))
def test_scale_holds_its_values(values: list[float]) -> None:
    """All values lie between the ends, with one to six ticks."""
    scale = Scale.over(values)
    assert all(0 <= scale.place(value) <= 100 for value in values)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 6
    assert ticks == sorted(set(ticks))
    assert all(-1e-3 <= scale.place(tick) <= 100 + 1e-3 for tick in ticks)


@given(st.lists(st.tuples(REAL, st.floats(0, 10)), min_size=1, max_size=9), st.booleans())
def test_intervals_of_anything(pairs: list[tuple[float, float]], with_zero: bool) -> None:
    """For any figures each row shows its text, and nothing is drawn outside the plot."""
    rows = [Row(f"row{i}", f"{mean:.3f}!", mean, mean - half, mean + half) for i, (mean, half) in enumerate(pairs)]
    chart = intervals(("what", "figure"), rows, with_zero=with_zero)
    check_self_contained(chart)
    assert all(row.label in words_of(chart) and row.figure in words_of(chart) for row in rows)
    places = [float(place) for place in re.findall(r'x[12]="([^"]*)"', chart)]
    assert all(-0.01 <= place <= 100.01 for place in places)


def test_far_row_is_an_arrow() -> None:
    """A row far beyond the others becomes an arrow, and the others stay dots."""
    rows = [Row("near", "", 0.01, 0.005, 0.015), Row("nearer", "", 0.02, 0.01, 0.03), Row("far", "", 0.9, 0.8, 1.0)]
    chart = intervals(("what", "figure"), rows, with_zero=True)
    assert chart.count("<polyline") == 1
    assert chart.count('class="dot') == 2
    assert "<polyline" not in intervals(("what", "figure"), rows)


def test_no_interval_is_a_dot_alone() -> None:
    """Without an interval only the dot is drawn."""
    assert intervals(("what", "figure"), [Row("one", "0.5", 0.5)]).count('class="baseline"') == 0


def test_bars_have_lengths() -> None:
    """The greatest value is as wide as the plot, and zero has the least width."""
    chart = bars(("what", "share"), [Row("a", "", 0.5), Row("b", "", 0.25)], [0.0, 0.125])
    assert re.findall(r'width="([^"]*)"', chart) == ["100.00", "0.30", "50.00", "25.00"]
    assert 'width="0.30"' in bars(("what", "share"), [Row("a", "", 0.0)], [0.0])


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.1, 0.3, 0.2]])
def test_curve(values: list[float]) -> None:
    """The curve has one point for each step, a mark at the stop, and a label for screen readers."""
    chart = curve(values, len(values), "how it went")
    check_self_contained(chart)
    assert 'aria-label="how it went"' in chart
    points = re.findall(r'points="([^"]*)"', chart)[0].split()
    assert len(points) == len(values)
    assert f'x1="{points[-1].partition(",")[0]}"' in chart
