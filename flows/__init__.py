"""Prefect flows and the `recsys` command."""
