"""The model registry: rows in the database, and folders of files."""
