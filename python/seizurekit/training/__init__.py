"""Training a detector, its checkpoints, and its evaluation over whole recordings."""
