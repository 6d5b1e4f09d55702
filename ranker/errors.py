"""What can go wrong in the ranker.

RankerError
├── BundleError
│   └── EncoderMismatch
└── InputError
"""

from pathlib import Path


class RankerError(Exception):
    """Base of all errors that the ranker raises on purpose."""


class InputError(RankerError):
    """Arrays that do not fit one another."""


class BundleError(RankerError):
    """A bundle that must not be used.

    Attributes:
        file: The file or folder at fault.
        problem: What is wrong with it, for people.
    """

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}")
        self.file = file
        self.problem = problem


class EncoderMismatch(BundleError):
    """A sound bundle that was trained on another encoder's vectors than those in use."""

    def __init__(self, file: Path, trained_on: str, in_use: str) -> None:
        super().__init__(file, f"was trained on vectors of {trained_on!r}, but the encoder in use is {in_use!r}")
        self.trained_on = trained_on
        self.in_use = in_use
