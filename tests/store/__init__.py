"""The store: what processes leave in their shards, whatever happens to them."""
