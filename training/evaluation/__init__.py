"""Offline evaluation of rankings: two protocols on real behaviour, with baselines and intervals."""

from training.evaluation.evaluate import evaluate
from training.evaluation.plan import PROTOCOLS, Plan

__all__ = ["PROTOCOLS", "Plan", "evaluate"]
