"""Comparison: what the differences between models are worth."""
