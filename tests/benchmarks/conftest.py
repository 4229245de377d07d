"""Nothing here is a test: `make bench` runs it, and part of it in other environments."""

collect_ignore_glob = ["*.py"]
