"""What the service is about: frozen values and their invariants. Standard library only."""
