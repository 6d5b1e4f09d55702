"""One script per revision. A released script never changes, and imports no other code of this project."""
