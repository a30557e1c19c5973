"""Shards: rows in files, in an order that follows from the seed and not from who reads them.

Chunks of rows are dealt to lanes in an order that follows from (seed, epoch). A lane reads its
chunks one after another into a window, whose rows it shuffles; a batch has rows of every lane, in
proportion to what the lanes have. Lanes are the leaves of the sum over a batch, and a rank has
whole lanes: that is why 1, 2, 4 and 8 ranks see the same batches and get the same bits.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from .._base import checks, core
from .._base.dtypes import Array
from .files import Piece, reader_of


class Shards:
    """Rows in files that are read while a model is trained: ``model.fit(Shards(...))``.

    Parameters
    ----------
    files : path, pattern, or list of them
        Parquet files (read with pyarrow, row group by row group), ``.npy`` files (as memory maps)
        or Zarr arrays; ``"train/*.parquet"``, or a directory of Parquet files.
    target : str, list of str, or path
        The columns of the targets; of ``.npy`` and Zarr the files of them, with as many rows.
    columns : sequence of str, or mapping, optional
        The columns of the features, by default all others. For a model of several inputs a
        dictionary: an input's name → its columns.
    weight : str or path, optional
        The column, or the files, of the rows' weights.
    lanes : int, default 8
        In how many streams the files are read; a power of two that the number of ranks divides, for
        the same bits.
    window : int, default 2**26
        Bytes of the rows that are shuffled with each other, of all lanes of one process together.
        Twice as many are in memory, because the next windows are read while these are trained on;
        and of Parquet about 2 MB for each column of each lane that a process reads.

    Attributes
    ----------
    rows, features : int
    names : list of str or None
        Of the features.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError, ImportError
        Naming the file, what was found and what is wanted.

    Notes
    -----
    Rows are mixed within a window and by the order of the chunks: a file whose rows are sorted by
    their class should be shuffled once when it is written.
    """

    is_shards = True  # `fit` asks for it

    def __init__(
        self,
        files: Any,
        target: Any,
        *,
        columns: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        weight: Any = None,
        lanes: int = 8,
        window: int = 1 << 26,
    ) -> None:
        self.lanes = checks.integer("lanes", lanes, 1)
        if self.lanes & (self.lanes - 1):
            raise ValueError(f"lanes: found {lanes}, wanted a power of two")
        self.window = checks.integer("window", window, 1)
        self._inputs = _columns_of_inputs(columns)
        if self._inputs is not None:
            columns = [name for names in self._inputs.values() for name in names]
        self._reader = reader_of(files, target, columns, weight)  # type: ignore[arg-type]
        self.rows = sum(self._reader.chunks)
        self.features = self._reader.features
        self.names = self._reader.names
        if self.rows == 0:
            raise ValueError("files: found no rows, wanted at least one")

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        chunks = len(self._reader.chunks)
        return f"Shards({self.rows:,} rows of {self.features} features in {chunks} chunks)"

    def __iter__(self) -> Iterator[tuple[Array, Array] | tuple[Array, Array, Array]]:
        """The rows in the files' order, some thousands at a time: for `evaluate` and `predict`."""
        for chunk in range(len(self._reader.chunks)):
            for piece in self._reader.read(chunk):
                x, y, weight = self.as_given(piece)
                yield (x, y) if weight is None else (x, y, weight)

    def description(self) -> dict[str, Any]:
        """The settings that have to be the same on all ranks."""
        chunks = zlib.crc32(repr(self._reader.chunks).encode())
        return {"rows": self.rows, "columns": self._inputs or self.names, "features": self.features,
                "lanes": self.lanes, "window": self.window, "row groups": chunks}  # fmt: skip

    def as_given(self, piece: Piece) -> tuple[Any, Array, Array | None]:
        """(x, y, weight) of rows as a model takes them: x by input where there are several."""
        x, y, weight = piece
        if self._inputs is None:
            return x, y, weight
        parts, begin = {}, 0
        for name, columns in self._inputs.items():
            parts[name] = x[:, begin : begin + len(columns)]
            begin += len(columns)
        return parts, y, weight

    def first(self) -> Piece:
        """Some rows, to see what they are like."""
        return next(self._reader.read(0))

    def lanes_of(self, number: int, seed: int, shuffle: bool, dtype: Any) -> list["Lane"]:
        """The lanes of an epoch, whose features are of `dtype`."""
        chunks: Any = np.arange(len(self._reader.chunks))
        if shuffle:
            chunks = core.permutation(len(chunks), seed, number)
        bytes_of_row = np.dtype(dtype).itemsize * self.features + 16
        rows = max(1, self.window // (bytes_of_row * self.lanes))
        return [
            Lane(self, [int(chunk) for chunk in chunks[lane :: self.lanes]], rows, dtype,
                 _mixed(seed, number, lane) if shuffle else None)
            for lane in range(self.lanes)
        ]  # fmt: skip


def _columns_of_inputs(columns: Any) -> dict[str, list[str]] | None:
    """The columns of each input; None where there is one without a name."""
    if not isinstance(columns, Mapping):
        return None
    if not columns:
        raise ValueError("columns: found an empty dictionary, wanted an input's name → its columns")
    found = {}
    for name, given in columns.items():
        what = f"columns of {name}"
        names = [given] if isinstance(given, str) else checks.elements(what, given, "texts")
        if not names:
            raise ValueError(f"{what}: found none, wanted at least one")
        found[str(name)] = [checks.text(what, each) for each in names]
    return found


class Lane:
    """One stream of rows.

    Attributes
    ----------
    rows : int
        Of the whole epoch.
    """

    def __init__(
        self, shards: Shards, chunks: list[int], window: int, dtype: Any, seed: int | None
    ) -> None:
        self._reader, self._dtype = shards._reader, dtype
        self._chunks, self._window, self._seed = chunks, window, seed
        self.rows = sum(self._reader.chunks[chunk] for chunk in chunks)
        self._windows: Iterator[Piece] | None = None
        self._next: Future[Piece | None] | None = None
        self._here: Piece | None = None
        self._place = 0

    def begin(self, thread: ThreadPoolExecutor) -> None:
        """Start to read; `thread` reads ahead."""
        self._windows = self._read()
        self._thread = thread
        self._ask()

    def _ask(self) -> None:
        windows = self._windows
        assert windows is not None
        self._next = self._thread.submit(next, windows, None)

    def take(self, count: int) -> list[Piece]:
        """The next rows, in one or several parts."""
        parts = []
        while count > 0:
            if self._here is None or self._place == len(self._here.x):
                assert self._next is not None
                self._here, self._place = self._next.result(), 0
                if self._here is None:
                    raise ValueError("files: found fewer rows than before, wanted them unchanged")
                self._ask()
            end = min(self._place + count, len(self._here.x))
            x, y, weight = self._here
            rows = slice(self._place, end)
            parts.append(Piece(x[rows], y[rows], None if weight is None else weight[rows]))
            count -= end - self._place
            self._place = end
        return parts

    def _read(self) -> Iterator[Piece]:
        """Windows of shuffled rows."""
        waiting: list[Piece] = []
        count = made = 0
        for chunk in self._chunks:
            for piece in self._reader.read(chunk):
                waiting.append(piece._replace(x=np.asarray(piece.x, self._dtype)))
                count += len(piece.x)
                if count >= self._window:
                    whole = joined(waiting)
                    waiting, count = [], 0
                    yield self._shuffled(whole, made)
                    made += 1
        if waiting:
            yield self._shuffled(joined(waiting), made)

    def _shuffled(self, piece: Piece, number: int) -> Piece:
        if self._seed is None:
            return piece
        order = core.permutation(len(piece.x), self._seed, number)
        x, y, weight = piece
        return Piece(x[order], y[order], None if weight is None else weight[order])


def joined(parts: list[Piece]) -> Piece:
    """Rows one after another."""
    if len(parts) == 1:
        return parts[0]
    x, y, weights = zip(*parts, strict=True)
    weight = None if weights[0] is None else np.concatenate(weights)
    return Piece(np.concatenate(x), np.concatenate(y), weight)


def _mixed(*numbers: int) -> int:
    """A seed that follows from several numbers (splitmix64)."""
    mixed = 0
    for number in numbers:
        mixed = (mixed + number + 0x9E3779B97F4A7C15) % 2**64
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        mixed ^= mixed >> 31
    return mixed >> 1
