"""The store: one sharded Zarr v3 group a split, built once, read at random."""
