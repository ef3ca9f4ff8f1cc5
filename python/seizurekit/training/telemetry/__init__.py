"""Reports of a running training: one stream of records, several sinks, and a heartbeat."""
