"""Use cases of the service. They use storage and encoder through ``ports`` and know neither gRPC nor SQL."""
