"""The gRPC server: use cases, storage, ingest and the embedding of new text.

Dependencies point one way. ``bootstrap`` and ``config`` may import everything. ``api``, ``ingest``, ``storage`` and
``encoder`` import ``app`` and ``domain`` but not one another. ``app`` imports ``domain``; ``domain`` imports nothing.
"""
