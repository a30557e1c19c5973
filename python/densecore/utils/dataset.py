"""Objects that give batches by number."""

from typing import Any


class PyDataset:
    """Base class of objects that give batches by number, for ``fit``, ``evaluate``, ``predict``.

    A custom class has ``__len__`` (batches of an epoch) and ``__getitem__`` (batch number
    → (x, y) or (x, y, sample_weight)). Batches are made in the training's own thread.

    Parameters
    ----------
    workers, use_multiprocessing, max_queue_size
        Accepted for Keras's sake, and without effect.
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: wanted a method __len__: batches")

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        raise NotImplementedError(f"{type(self).__name__}: wanted a method __getitem__(number)")

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return len(self)

    def on_epoch_end(self) -> None:
        """Called by ``fit`` after each epoch."""
