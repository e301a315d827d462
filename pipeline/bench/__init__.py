"""Benchmarks: each prints its ratio to the limit measured in the same run."""
