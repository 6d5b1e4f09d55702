"""Checks that a command can write its output, made before the work starts."""

import os
from pathlib import Path

from service.domain.errors import InvalidField


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
