"""One file per family of metrics: names, units, labels and buckets stand here and nowhere else."""
