"""One script per revision. A released one is never changed, and never imports the code it was written with."""
