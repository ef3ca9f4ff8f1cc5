"""Importing caches of the replaced system, one NPZ file for each recording."""
