"""Copying stores between folders and object stores."""
