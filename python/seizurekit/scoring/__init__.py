"""Scores of detected seizures against annotated seizures."""
