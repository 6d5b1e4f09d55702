import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import require

ENTRY = r"""@article{{key{0},
  title = {{{{Moss {{DNA}} clocks of the northern wall}}, number {0}, with H$_2$O}},
  author = {{N{{\"o}}ll, Ida and Orr, Ben and {{\'A}}lvarez, Jos\'e}},
  doi = {{10.9999/moss.{0}}},
  abstract = {{{1}}}
}}
"""
ABSTRACT = r"We study the growth of \textit{Bryum} on walls at 10$^{\circ}$C -- in {\'e}t{\'e} and winter. " * 10
READ = """
import pathlib, sys
from service.ingest.libraries.library import read_library
library = read_library(pathlib.Path(sys.argv[1]))
status = pathlib.Path("/proc/self/status").read_text().splitlines()
print(len(library.papers), next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.slow
def test_memory_of_a_large_library(tmp_path: Path) -> None:
    """A library of 5,000 entries with LaTeX in long abstracts is read within 300 MB."""
    require("proc", Path("/proc/self/status").exists(), "needs /proc, which Linux has")
    (tmp_path / "library.bib").write_text("".join(ENTRY.format(number, ABSTRACT) for number in range(5000)))
    done = subprocess.run(
        [sys.executable, "-c", READ, tmp_path / "library.bib"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    entry_count, kilobytes = map(int, done.stdout.split())
    assert entry_count == 5000
    assert kilobytes < 300_000
