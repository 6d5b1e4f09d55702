"""Use cases, one noun a file. No gRPC and no SQL here: storage and encoder come in through ``ports``."""
