from pathlib import Path

import testing

FOLDER = Path(testing.__file__).parent


def test_testing_imports_no_tests() -> None:
    """Benchmarks use the package testing, so it must not import the tests."""
    lines = [line for path in FOLDER.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]

    assert [line for line in lines if line.strip().startswith(("from tests", "import tests"))] == []
