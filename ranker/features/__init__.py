"""The features of (user, candidate) pairs: one module for each family, joined by ``schema``."""

from ranker.features.inputs import Inputs
from ranker.features.schema import SCHEMA, Schema, compute_features, compute_matrix

__all__ = ["SCHEMA", "Inputs", "Schema", "compute_features", "compute_matrix"]
