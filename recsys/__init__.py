"""Recommender experiments: data, splits, models, metrics and comparisons as plain Python."""
