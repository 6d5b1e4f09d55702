"""What the model sees of a (user, candidate) pair: one module per family, joined by ``families`` and ``schema``."""

from ranker.features.inputs import Inputs
from ranker.features.schema import SCHEMA, Schema, compute_matrix, matrix_of

__all__ = ["SCHEMA", "Inputs", "Schema", "compute_matrix", "matrix_of"]
