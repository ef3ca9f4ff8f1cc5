"""Accelerator kernels, one folder an operation: Triton or CUDA beside the plain reference that they equal."""
