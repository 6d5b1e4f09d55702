"""Where a command writes, checked before an hour is spent on it."""

import os
from pathlib import Path

from service.domain.errors import InvalidField


def check_new(option: str, path: Path) -> None:
    """Returns if something new can be written there; folders that are missing can be made.

    Raises:
        InvalidField: It exists, or nothing can be written there.
    """
    if path.exists():
        raise InvalidField(option, f"{path} exists already")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    _check_writable(option, parent)


def check_file(option: str, path: Path) -> None:
    """Returns if the file can be written, anew or over what it holds.

    Raises:
        InvalidField: It is a folder, or nothing can be written there.
    """
    if not path.exists():
        check_new(option, path)
    elif path.is_dir():
        raise InvalidField(option, f"{path} is a folder, not a file")
    elif not os.access(path, os.W_OK):
        raise InvalidField(option, f"nothing can be written to {path}")


def check_folder(option: str, path: Path) -> None:
    """Returns if files can be written into the folder, which may be missing.

    Raises:
        InvalidField: It is a file, or nothing can be written there.
    """
    if path.exists():
        _check_writable(option, path)
    else:
        check_new(option, path)


def _check_writable(option: str, folder: Path) -> None:
    if not folder.is_dir():
        raise InvalidField(option, f"nothing can be written to {folder}: it is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidField(option, f"nothing can be written to {folder}")
