"""The features of (user, candidate) pairs: one module for each family, joined by ``families`` and ``schema``."""

from ranker.features.inputs import Inputs
from ranker.features.likeness import KnownSimilarities, Similarities, stack_similarities
from ranker.features.schema import SCHEMA, Schema, compute_matrix, feature_matrix
from ranker.features.similarity import FEW_CANDIDATES

__all__ = [
    "FEW_CANDIDATES",
    "SCHEMA",
    "Inputs",
    "KnownSimilarities",
    "Schema",
    "Similarities",
    "compute_matrix",
    "feature_matrix",
    "stack_similarities",
]
