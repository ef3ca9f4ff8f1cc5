"""Local S3 servers for benchmarks and tests."""
