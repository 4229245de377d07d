"""Metrics: ranked lists and the truth in, one value a user out."""
