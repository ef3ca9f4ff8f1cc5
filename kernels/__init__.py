"""Accelerator kernels and plain references, one folder per operation; `seizurekit.ops` launches them."""
