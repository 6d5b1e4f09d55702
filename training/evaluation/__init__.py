"""How good a ranking is: two protocols on real behaviour, baselines, intervals. It serves nobody."""

from training.evaluation.evaluate import evaluate
from training.evaluation.plan import PROTOCOLS, Plan

__all__ = ["PROTOCOLS", "Plan", "evaluate"]
