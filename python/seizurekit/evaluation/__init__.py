"""Use and evaluation of a trained detector."""
