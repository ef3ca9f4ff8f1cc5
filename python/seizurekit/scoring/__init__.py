"""Agreement of detected with annotated seizures."""
