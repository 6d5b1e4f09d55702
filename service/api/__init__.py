"""gRPC servicers: convert a request, call one use case and convert its result. Contains no business rules."""
