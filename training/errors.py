"""The errors of training and evaluation.

TrainingError
└── EvaluationError
"""


class TrainingError(Exception):
    """No model can be trained on the data; the message says what is missing."""


class EvaluationError(TrainingError):
    """The protocol cannot be run on the data; the message says what is missing."""
