"""The gRPC server: use cases, storage, ingest and the embedding of new text.

Dependencies point one way: ``bootstrap`` and ``config`` see everything; ``api``, ``ingest``, ``storage`` and
``encoder`` see ``app`` and ``domain`` but not one another; ``app`` sees ``domain``; ``domain`` sees nothing.
"""
