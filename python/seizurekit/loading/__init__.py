"""From a store to batches: torch datasets over its windows, and the balanced choice among them."""
