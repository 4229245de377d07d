"""Interactions, items and users: sources, the immutable Dataset, and what a model trains on."""
