"""One script per revision. A released script never changes, nor do the declarations that it imports."""
