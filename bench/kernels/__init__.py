"""Benchmark of the causal convolution and the scan."""
