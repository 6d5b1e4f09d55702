"""The features of (user, candidate) pairs: one module for each family, joined by ``schema``."""

from ranker.features.inputs import Inputs
from ranker.features.likeness import Similarities, paper_similarities, similarities_of
from ranker.features.schema import SCHEMA, Schema, compute_matrix, feature_matrix
from ranker.features.similarity import FEW_CANDIDATES

__all__ = [
    "FEW_CANDIDATES",
    "SCHEMA",
    "Inputs",
    "Schema",
    "Similarities",
    "compute_matrix",
    "feature_matrix",
    "paper_similarities",
    "similarities_of",
]
