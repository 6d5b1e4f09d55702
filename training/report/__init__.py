"""Pages for whoever decides about a model: one file each, no script, nothing fetched."""

from training.report.evaluation_page import evaluation_page
from training.report.training_page import training_page

__all__ = ["evaluation_page", "training_page"]
