"""From the probabilities of a detector to events, and from events to files and plots."""
