"""Building a store: plan, fill, seal."""
