"""Small disks, to fill up."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.requirements import require


@contextmanager
def mounted_small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk of ten megabytes at the folder."""
    command = ["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and not subprocess.run(command, check=False, capture_output=True).returncode
    require("mount", mounted, "needs the right to mount a small disk: run the tests as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def resized(disk: Path, size: int) -> None:
    """Resize the disk to ``size`` bytes."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
