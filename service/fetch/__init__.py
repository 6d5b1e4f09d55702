"""Fetching of papers from arXiv, Hugging Face and feeds. ``service.ingest`` parses what was fetched."""
