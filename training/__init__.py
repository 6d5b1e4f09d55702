"""From papers and likes to a published bundle; runs offline, and the server never imports it."""

from training.data.snapshot import Dataset, Likes
from training.train import TrainingReport, train

__all__ = ["Dataset", "Likes", "TrainingReport", "train"]
