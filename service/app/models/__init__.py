"""The life of models: registry, hot swap, canary, and bundles that are due for training again."""
