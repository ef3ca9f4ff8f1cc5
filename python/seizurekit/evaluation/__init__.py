"""From a trained detector to events and scores."""
