"""Windows of a series as rows of data."""

from typing import Any

import numpy as np

from .._base import checks, seeds
from .._base.dtypes import Array
from .dataset import PyDataset


class _Windows(PyDataset):
    def __init__(
        self, data: Array, targets: Array | None, starts: Array, steps: Array, batch_size: int
    ) -> None:
        super().__init__()
        self._data, self._targets, self._starts, self._steps = data, targets, starts, steps
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._starts) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Array, ...]:
        if not 0 <= index < len(self):
            raise IndexError(f"batch: found {index}, wanted 0 to {len(self) - 1}")
        starts = self._starts[index * self._batch_size : (index + 1) * self._batch_size]
        windows = self._data[starts[:, None] + self._steps]
        return (windows,) if self._targets is None else (windows, self._targets[starts])


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
) -> PyDataset:
    """Batches of windows of a series, each with the target at its beginning.

    Parameters
    ----------
    data : array_like (times, ...)
    targets : array_like (times, ...) or None
        ``targets[i]`` belongs to the window that begins at time i.
    sequence_length : int
        Times of a window.
    sequence_stride : int, default 1
        Times between the beginnings of two windows.
    sampling_rate : int, default 1
        Times between two elements of a window.
    batch_size : int, default 128
        None: all windows are one batch.
    shuffle : bool, default False
        Whether the windows come in another, random order.
    seed : int, optional
        Of that order.
    start_index, end_index : int, optional
        The first time that is used, and the first that is not any more.

    Returns
    -------
    PyDataset
        For ``fit``: batches (windows, targets), windows (batch, sequence_length, ...).

    Raises
    ------
    ValueError, TypeError
        A number that is no integer, or not in its range, or a series that is too short.
    """
    series = np.asarray(data)
    if series.ndim == 0:
        raise TypeError(f"data: found {checks.shown(data)}, wanted an array (times, ...)")
    length = checks.integer("sequence_length", sequence_length, 1)
    stride = checks.integer("sequence_stride", sequence_stride, 1)
    rate = checks.integer("sampling_rate", sampling_rate, 1)
    first = checks.integer("start_index", 0 if start_index is None else start_index, 0)
    last = len(series) if end_index is None else checks.integer("end_index", end_index, 0)
    end = min(last, len(series)) - (length - 1) * rate
    wanted = None if targets is None else np.asarray(targets)
    if wanted is not None:
        if wanted.ndim == 0:
            raise TypeError(f"targets: found {checks.shown(targets)}, wanted an array or None")
        end = min(end, len(wanted))
    if first >= end:
        raise ValueError(
            f"data: found {len(series)} times, wanted enough for a window of {length} at a "
            f"sampling rate of {rate}"
        )
    starts = np.arange(first, end, stride)
    if checks.flag("shuffle", shuffle):
        generator = np.random.default_rng(seeds.fresh() if seed is None else checks.seed(seed))
        generator.shuffle(starts)
    size = checks.optional("batch_size", batch_size) or len(starts)
    return _Windows(series, wanted, starts, np.arange(length) * rate, size)
