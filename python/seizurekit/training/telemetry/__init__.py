"""What a run tells while it goes on: one stream of records, several sinks, and a heartbeat."""
