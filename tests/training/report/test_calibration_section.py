import numpy as np

from training.calibration.measure import measure
from training.report.calibration_section import calibration_section


def test_curve_errors_and_lengths_are_shown() -> None:
    """The section has the curve, the errors in words and the lengths of cut lists."""
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(0, 0.2, 4_000)
    liked = rng.random(4_000) < probabilities
    found = measure(probabilities, liked, np.full(100, 40, dtype=np.int32), 7, probabilities)

    page = calibration_section({"papers & likes": found}, "")

    assert "papers &amp; likes" in page
    assert f"{found.shown_error:.4f} over the first 20 papers" in page
    assert page.count("<polyline") == 1
    assert f"{found.lengths[-1].recall:.1%}" in page


def test_the_reason_for_no_calibration_is_shown() -> None:
    """Without a calibration the section says why."""
    assert "no probabilities: too few likes." in calibration_section({}, "too few likes")
