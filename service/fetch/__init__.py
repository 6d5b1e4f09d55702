"""Papers fetched from where they appear. What is fetched is read by ``service.ingest``."""
