"""Pictures of curves."""

import json
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.plots import AXES, Line, main, picture

SVG = "{http://www.w3.org/2000/svg}"


def labels(svg: str) -> dict[str, tuple[float, float]]:
    """Where each text stands."""
    return {
        "".join(each.itertext()): (float(each.get("x", 0)), float(each.get("y", 0)))
        for each in ET.fromstring(svg).iter(f"{SVG}text")
    }


def test_labels_stand_apart() -> None:
    """Lines that end at one place have names that can be read, inside the picture."""
    lines = [Line(name, [(1, 5.0), (10, 2.0)]) for name in ("a", "b", "c", "d", "e")]

    found = labels(picture("Title", "x", "ms", lines))

    heights = sorted(found[line.label][1] for line in lines)
    assert all(below - above >= 16 for above, below in pairwise(heights))
    assert heights[-1] < 420


def test_higher_values_stand_higher() -> None:
    """Axes are logarithmic: equal factors are equal steps. Floors are dashed, and the numbers are told in words."""
    svg = picture("Title", "users", "ms", [Line("a & b", [(1, 1.0), (10, 10.0), (100, 100.0)])])

    line = next(each for each in ET.fromstring(svg).iter(f"{SVG}polyline"))
    (x0, y0), (x1, y1), (x2, y2) = (map(float, pair.split(",")) for pair in line.get("points", "").split())
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert y0 > y1
    assert "a &amp; b: 1: 1; 10: 10; 100: 100." in svg


def test_writes_a_picture_for_each_curve(tmp_path: Path) -> None:
    """From the JSON that the benchmark prints; figures without a curve are left out."""
    figures = [{"name": "other", "value": 1}] + [
        {"curve": curve, "x": x, "series": {"one": x / 7, "reference model alone": 0.5}}
        for curve in AXES
        for x in (1_000, 10**6)
    ]
    (tmp_path / "result.json").write_text(json.dumps({"benchmarks": figures}))

    main([str(tmp_path / "result.json"), str(tmp_path)])

    assert {path.name for path in tmp_path.glob("*.svg")} == {f"scaling-{curve}.svg" for curve in AXES}
    for path in tmp_path.glob("*.svg"):
        assert {"one", "reference model alone", "1,000", "1 million"} <= labels(path.read_text()).keys()
        assert 'stroke-dasharray="5 4"' in path.read_text()
