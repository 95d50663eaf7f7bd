"""The exporter: a process of its own that reads the shards of a tree and serves their total."""
