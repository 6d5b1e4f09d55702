"""Readers of papers and interactions for training and evaluation. They print nothing; the caller passes callbacks."""
