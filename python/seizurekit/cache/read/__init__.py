"""Reading samples and columns of a store."""
