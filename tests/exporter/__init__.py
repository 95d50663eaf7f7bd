"""The exporter: merging, folding, texts, HTTP, deliveries, and the life of the process."""
