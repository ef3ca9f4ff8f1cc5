"""Benchmark of building a store from EDF files."""
