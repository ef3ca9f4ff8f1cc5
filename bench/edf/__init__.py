"""Benchmark of EDF readers."""
