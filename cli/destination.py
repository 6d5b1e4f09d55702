"""Checks that a command can write its output, and that it has the right database, made before the work starts."""

import os
from pathlib import Path

from service.domain.errors import InvalidField
from service.process.failures import note


def check_new(option: str, path: Path) -> None:
    """Check that something new can be written at the path. Missing parent folders are fine.

    Raises:
        InvalidField: The path exists, or its folder cannot be written to.
    """
    if path.exists():
        raise InvalidField(option, f"{path} already exists; name a new one")
    check_folder(option, path)


def check_file(option: str, path: Path) -> None:
    """Check that the file can be created or overwritten.

    Raises:
        InvalidField: The path is a folder, or cannot be written to.
    """
    if path.is_dir():
        raise InvalidField(option, f"{path} is a folder, not a file")
    if not path.exists():
        check_folder(option, path)
    elif not os.access(path, os.W_OK):
        raise InvalidField(option, f"cannot write to {path}")


def check_folder(option: str, path: Path) -> None:
    """Check that files can be written into the folder. The folder and its parents may be missing.

    Raises:
        InvalidField: The path or a parent is a file, or cannot be written to.
    """
    folder = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not folder.is_dir():
        raise InvalidField(option, f"cannot write to {folder}: it is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidField(option, f"cannot write to {folder}")


def check_database(option: str, url: str, *, is_given: bool, may_make: bool) -> None:
    """Check that a command does not silently make a second database in the wrong folder.

    A database that an option, a variable or paperfeed.toml names is made by every command that writes. The default one
    is made only by commands that bring the first papers or serve, and they say so.

    Args:
        option: Option that names the database, without dashes.
        url: The database of the settings.
        is_given: Whether the settings name it, so that it is not the default one.
        may_make: Whether the command may make the default one.

    Raises:
        InvalidField: It is the default one, it is not there, and the command may not make it.
    """
    path = Path(url.removeprefix("sqlite:///"))
    if is_given or path.exists():
        return
    if not may_make:
        problem = (
            f"there is no {path} in {Path.cwd()}, and no paperfeed.toml there or in a parent folder: go to the folder "
            f"of your paperfeed, run `paperfeed init`, or name the database with --{option}"
        )
        raise InvalidField(option, problem)
    note(f"a new database: {path.absolute()}")
