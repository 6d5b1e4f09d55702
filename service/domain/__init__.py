"""The service's domain: frozen values and their invariants. Uses the standard library only."""
