"""Batches from a store: window sets, torch datasets and loaders."""
