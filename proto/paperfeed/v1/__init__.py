"""Generated messages and stubs of the package paperfeed.v1. Do not edit: run ``make stubs``."""
