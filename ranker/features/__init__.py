"""What the model sees of a (user, candidate) pair: one module per family, joined by ``families`` and ``schema``."""

from ranker.features.schema import SCHEMA, Schema, compute_matrix

__all__ = ["SCHEMA", "Schema", "compute_matrix"]
