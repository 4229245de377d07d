"""Measurements for docs/benchmarks.md: `make bench`. Nothing here is a test with a time limit."""
