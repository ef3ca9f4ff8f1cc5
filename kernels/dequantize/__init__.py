"""int16 samples of the store to floating point: the plain reference and a Triton kernel."""
