"""Splits: which rows are for training, validation and test, and whether that is honest."""
