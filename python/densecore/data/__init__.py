"""Data that do not fit into memory: files that a training reads piece by piece."""

from .shards import Shards

__all__ = ["Shards"]
