"""Data of any kind on their way to the core: arrays, frames, sparse matrices, batches."""
