"""Explanations for users: why a paper is shown or not, and which events shape their feeds."""
