"""The store: one memory-mapped file of doubles per process, told apart by `layout`, written by
`shard`, read by `reader`."""
