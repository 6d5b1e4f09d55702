"""Training of bundles from papers and likes. It runs offline; the server never imports it."""

from training.data.snapshot import Dataset, Likes
from training.train import TrainingReport, train

__all__ = ["Dataset", "Likes", "TrainingReport", "train"]
