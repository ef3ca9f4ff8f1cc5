"""Benchmark of batch loading."""
