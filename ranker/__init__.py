"""The numeric heart of paperfeed: features, profiles, model bundles, scoring, diversity and reasons.

Arrays in, arrays out: nothing here knows of storage, the network or an encoder.
"""
