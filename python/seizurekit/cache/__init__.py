"""The store: one sharded Zarr v3 group for each split, built once, read at random."""
