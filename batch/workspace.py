"""The folder in which a job's output grows: beside the final folder, whose name it takes when it is complete.

An interrupted job leaves the folder behind, and the next run resumes in it. A lock that ends with its process keeps two
runs from working in one folder.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from batch.errors import OutputUnusable

LOCK_NAME = "_lock"
"""Tools that read folders of Parquet files skip names that begin with an underscore."""
TRAINING_NAME = "_training.json"
"""File that marks the folder of a training; the rows of a training have no user ids."""
LOCK_TRIES = 100


class Workspace:
    """The folder of one job, while this process holds its lock."""

    def __init__(self, out: Path, folder: Path) -> None:
        self.out = out
        self.folder = folder

    def take_name(self, *unneeded: str) -> None:
        """Rename the folder to the output's name, then remove the files ``unneeded`` and the lock from it.

        Raises:
            OutputUnusable: The folder cannot be renamed; it stays complete, and the same command tries again.
        """
        try:
            self.folder.rename(self.out)
            _sync(self.out.parent)
            # Not earlier: another run could enter a folder without a lock, and none could resume one without its plan.
            for name in (*unneeded, LOCK_NAME):
                (self.out / name).unlink(missing_ok=True)
        except OSError as error:
            problem = f"{self.folder} is complete but cannot take this name ({error.strerror})"
            raise OutputUnusable(self.out, f"{problem}: run the same command again to retry") from error

    def discard(self) -> None:
        """Remove everything but the lock."""
        for path in self.folder.iterdir():
            if path.name != LOCK_NAME:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def opened_workspace(out: Path) -> Iterator[Workspace]:
    """Open the folder in which an output grows, and hold its lock; make the folder if it is missing.

    Raises:
        OutputUnusable: Another run holds the lock, or nothing can be written beside the output.
    """
    folder = out.absolute().with_name(f".{out.name}.partial")
    lock = _locked(out, folder)
    try:
        yield Workspace(out.absolute(), folder)
    finally:
        _remove_unused(folder, lock)
        os.close(lock)


def _locked(out: Path, folder: Path) -> int:
    """Return the folder's lock file, open and held by this process; make both if they are missing."""
    problem: OSError | None = None
    for _ in range(LOCK_TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (lock := _try_lock(folder / LOCK_NAME)) is not None:
                return lock
        except BlockingIOError as error:
            raise OutputUnusable(out, "another run is writing it") from error
        except OSError as error:
            # A run that ends at this moment may have removed the folder again.
            problem = error
    reason = problem.strerror if problem else "other runs begin and end there all the time"
    raise OutputUnusable(out, f"nothing can be written beside it ({reason})") from problem


def _try_lock(path: Path) -> int | None:
    """Return the lock file, open and held; None if it was removed before it could be held."""
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    if not _is_at(path, lock):
        os.close(lock)
        return None
    return lock


def _is_at(path: Path, file: int) -> bool:
    """Return whether the open file still has this name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _remove_unused(folder: Path, lock: int) -> None:
    """Remove the folder if it holds nothing but the lock of this process.

    After the folder took the output's name, another run may have begun in a new folder: that one stays.
    """
    with contextlib.suppress(OSError):
        if _is_at(folder / LOCK_NAME, lock) and [path.name for path in folder.iterdir()] == [LOCK_NAME]:
            (folder / LOCK_NAME).unlink()
            folder.rmdir()


def place_of(out: Path) -> Path:
    """Return the real path of the output; links are followed, because no folder can take the name of a link.

    Raises:
        OutputUnusable: The path is a link to nowhere, or cannot be resolved.
    """
    try:
        if out.is_symlink() and not out.exists():
            raise OutputUnusable(out, "is a link that leads nowhere")
        return out.resolve()
    except (OSError, RuntimeError) as error:
        raise OutputUnusable(out, f"cannot be resolved ({error})") from error


@contextlib.contextmanager
def without_empty_parents(out: Path) -> Iterator[None]:
    """After an error in the block, remove the folders above the output that it made and left empty."""
    missing = [folder for folder in out.parents if not folder.exists()]
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name when the block has ended and all of it is on the disk.

    After an error nothing of it stays.

    Raises:
        OSError: The operating system's error, for example on a full disk.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Write a file, complete or not at all; raise OutputUnusable if it cannot be written."""
    try:
        with new_file(path) as stream:
            stream.write(data)
    except OSError as error:
        raise OutputUnusable(path, f"cannot be written: {error.strerror}") from error


def other_folder(folder: Path) -> str:
    """Return the problem of a file that a worker wrote and that is not in the folder here."""
    return f"the workers do not see the same folder at {folder} as this process: put the output on a shared disk"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
