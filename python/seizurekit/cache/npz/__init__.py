"""Importing caches of the replaced system, one NPZ file a recording."""
