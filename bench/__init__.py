"""Benchmarks: each prints both sides of a comparison, measured in turn in one process, and the machine it ran on."""
