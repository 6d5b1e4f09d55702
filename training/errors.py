"""What can go wrong in training and evaluation.

TrainingError
├── SnapshotError
└── EvaluationError
"""


class TrainingError(Exception):
    """Data that no model can be trained on."""


class SnapshotError(TrainingError):
    """An interchange file that cannot be read; the message names file, line and problem."""

    def __init__(self, file: object, line: int, problem: str) -> None:
        super().__init__(f"{file}, line {line}: {problem}")
        self.line = line
        self.problem = problem


class EvaluationError(TrainingError):
    """Data that a protocol cannot be run on; the message says what is missing."""
