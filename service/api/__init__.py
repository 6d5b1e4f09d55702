"""The gRPC edge: convert a request, call one use case, convert its result. No rule of the business lives here."""
