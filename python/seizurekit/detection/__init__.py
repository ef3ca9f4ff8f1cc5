"""From a detector's probabilities to events, and events to files and plots."""
