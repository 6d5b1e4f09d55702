"""Pictures of curves."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.plots import AXES, main


def texts(svg: Path) -> set[str]:
    """The texts in a picture."""
    return {"".join(each.itertext()).strip() for each in ET.parse(svg).iter("{http://www.w3.org/2000/svg}text")}


def test_writes_a_picture_for_each_curve(tmp_path: Path) -> None:
    """Each picture has its title, axes, legend and ticks as text, all points in words, and floors as dashed lines."""
    figures = [{"name": "other", "value": 1}] + [
        {"curve": curve, "x": x, "series": {"one & two": x / 7, "reference model alone": 0.5, "nothing": 0}}
        for curve in AXES
        for x in (1_000, 10**6)
    ]
    (tmp_path / "result.json").write_text(json.dumps({"benchmarks": figures}))

    main([str(tmp_path / "result.json"), str(tmp_path)])

    assert {path.name for path in tmp_path.glob("*.svg")} == {f"scaling-{curve}.svg" for curve in AXES}
    for curve, words in AXES.items():
        path = tmp_path / f"scaling-{curve}.svg"
        assert {*words, "one & two", "reference model alone", "1,000", "1 million"} <= texts(path)
        assert "nothing" not in texts(path)
        assert "reference model alone: 1,000: 0.5; 1e+06: 0.5." in path.read_text()
        assert "stroke-dasharray" in path.read_text()


def test_the_same_result_gives_the_same_picture(tmp_path: Path) -> None:
    """A picture changes only when its figures change, so a commit shows it."""
    figure = {"curve": "users", "x": 10, "series": {"one": 2.0}}
    (tmp_path / "result.json").write_text(json.dumps({"benchmarks": [figure, figure | {"x": 20}]}))

    pictures = []
    for _ in range(2):
        main([str(tmp_path / "result.json"), str(tmp_path)])
        pictures.append((tmp_path / "scaling-users.svg").read_bytes())

    assert pictures[0] == pictures[1]
