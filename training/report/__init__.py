"""Report pages about models for decision makers: one HTML file each, without scripts or external resources."""

from training.report.evaluation_page import evaluation_page
from training.report.training_page import training_page

__all__ = ["evaluation_page", "training_page"]
