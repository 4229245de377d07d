"""One of these runs in another environment, and is no test."""

collect_ignore = ["others.py"]
