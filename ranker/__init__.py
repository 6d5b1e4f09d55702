"""The numeric core of paperfeed: features, profiles, model bundles, scoring, diversity and reasons.

The functions take and return arrays. They do not use storage, the network or an encoder.
"""
