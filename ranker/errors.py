"""The errors of the ranker.

RankerError
├── BundleError
│   └── EncoderMismatch
└── InputError
"""

from pathlib import Path


class RankerError(Exception):
    """Base class of all errors that the ranker raises."""


class InputError(RankerError):
    """Arrays of wrong types, or of sizes that do not match."""


class BundleError(RankerError):
    """A bundle that is missing, damaged or made for another version.

    Attributes:
        file: The file at fault.
    """

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}")
        self.file = file


class EncoderMismatch(BundleError):
    """An undamaged bundle that was trained on the vectors of another encoder than the one in use."""

    def __init__(self, file: Path, trained_on: str, in_use: str) -> None:
        super().__init__(file, f"was trained on vectors of {trained_on!r}, but the encoder in use is {in_use!r}")
