"""Retrieval: the best k items of each user, from scores."""
