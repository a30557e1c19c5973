"""Files of rows: Parquet by row groups, .npy and Zarr by blocks of rows.

A reader knows how many rows its chunks have without reading them, and reads a chunk piece by piece:
a row group may be larger than the memory that a training is to take.
"""

import glob
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.lazy import imports
from .._base.lookup import unknown

#: Rows of a piece, and of a chunk of a file that has none itself.
_PIECE, _BLOCK = 1 << 14, 1 << 17


class Piece(NamedTuple):
    """Some rows: x (rows, features), y (rows,) or (rows, targets), weights (rows,) or None."""

    x: Array
    y: Array
    weight: Array | None


class Reader(Protocol):
    """Files in an order that does not change.

    Attributes
    ----------
    features : int
    names : list of str or None
        Of the features.
    chunks : list of int
        The rows of each chunk.
    """

    features: int
    names: list[str] | None
    chunks: list[int]

    def read(self, chunk: int) -> Iterator[Piece]:
        """The rows of a chunk, in their order."""
        ...


def paths_of(name: str, given: Any) -> list[str]:
    """The files of a pattern, a path, or several of them; sorted within a pattern.

    Raises
    ------
    FileNotFoundError
        There is none.
    TypeError
        It is no path.
    """
    several = given if isinstance(given, list | tuple) else [given]
    found: list[str] = []
    for each in several:
        if not isinstance(each, str | os.PathLike):
            raise TypeError(f"{name}: found {checks.shown(each)}, wanted a path or a pattern")
        path = os.fspath(each)
        matches = [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))
        if not matches:
            raise FileNotFoundError(f"{name}: found no file {path!r}")
        for match in matches:
            inside = os.path.isdir(match) and not match.rstrip("/").endswith(".zarr")
            found += sorted(glob.glob(os.path.join(match, "*.parquet"))) if inside else [match]
    if not found:
        raise FileNotFoundError(f"{name}: found no .parquet file in {given!r}")
    return found


def reader_of(files: Any, target: Any, columns: Sequence[str] | None, weight: Any) -> "Reader":
    """The reader for the files' kind.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError, ImportError
        Files of several or of unknown kinds, columns that there are not or that hold no numbers.
    """
    paths = paths_of("files", files)
    kinds = {_kind(path) for path in paths}
    if len(kinds) > 1:
        raise ValueError(f"files: found {' and '.join(sorted(kinds))} files, wanted one kind")
    kind = kinds.pop()
    if kind == ".parquet":
        return ParquetReader(paths, target, columns, weight)
    if columns is not None:
        raise ValueError(f"columns: found some with {kind} files, whose columns have no names")
    return ArrayReader(
        [_open(path) for path in paths],
        [_open(path) for path in paths_of("target", target)],
        None if weight is None else [_open(path) for path in paths_of("weight", weight)],
        paths,
    )


def _kind(path: str) -> str:
    name = path.rstrip("/").lower()
    for ending in (".parquet", ".npy", ".zarr"):
        if name.endswith(ending):
            return ending
    if name.endswith(".pq"):
        return ".parquet"
    raise ValueError(f"files: found {path!r}, wanted .parquet, .npy or .zarr")


def _open(path: str) -> Any:
    """An array in a file, of which only the requested rows are read."""
    if _kind(path) == ".zarr":
        try:
            with imports:
                import zarr
        except ImportError:
            raise ImportError(f"{path}: needs Zarr: pip install zarr") from None
        return zarr.open_array(path, mode="r")
    if _kind(path) != ".npy":
        raise ValueError(f"{path}: found a file of columns, wanted .npy or .zarr as of the rows")
    return np.load(path, mmap_mode="r")


class ArrayReader:
    """Arrays of rows in files: x, and the targets in files of their own, as many rows each."""

    def __init__(
        self, x: list[Any], y: list[Any], weight: list[Any] | None, paths: list[str]
    ) -> None:
        self._x, self._y, self._weight = x, y, weight
        self.names: list[str] | None = None
        widths = {array.shape[1:] for array in x}
        if len(widths) != 1 or len(next(iter(widths))) != 1:
            raise ValueError(f"files: found rows of shapes {sorted(widths)}, wanted vectors of one")
        self.features = int(next(iter(widths))[0])
        for name, other in (("target", y), ("weight", weight)):
            if other is None:
                continue
            if [array.shape[0] for array in other] != [array.shape[0] for array in x]:
                raise ValueError(
                    f"{name}: found files of {[array.shape[0] for array in other]} rows, wanted "
                    f"{[array.shape[0] for array in x]}, as of {', '.join(paths[:3])}"
                )
        self._places = [
            (number, begin, min(begin + _BLOCK, array.shape[0]))
            for number, array in enumerate(x)
            for begin in range(0, array.shape[0], _BLOCK)
        ]
        self.chunks = [end - begin for _, begin, end in self._places]

    def read(self, chunk: int) -> Iterator[Piece]:
        """The rows of a block."""
        number, first, last = self._places[chunk]
        for begin in range(first, last, _PIECE):
            rows = slice(begin, min(begin + _PIECE, last))
            weight = None if self._weight is None else np.asarray(self._weight[number][rows])
            yield Piece(
                np.asarray(self._x[number][rows]), np.asarray(self._y[number][rows]), weight
            )


class ParquetReader:
    """Columns of numbers in Parquet files; a missing value is NaN."""

    def __init__(
        self, paths: list[str], target: Any, columns: Sequence[str] | None, weight: str | None
    ) -> None:
        try:
            with imports:
                import pyarrow.parquet as parquet
        except ImportError:
            raise ImportError(
                f"{paths[0]}: needs pyarrow: pip install 'densecore[tables]'"
            ) from None
        self._parquet = parquet
        self._paths = paths
        self._targets = [target] if isinstance(target, str) else list(target)
        self._weight = weight
        self._schema = None
        self._places: list[tuple[str, int]] = []
        self.chunks: list[int] = []
        for path in paths:
            with self._file(path) as file:
                self._look_at(path, file, columns)
        self._single = isinstance(target, str)

    def _file(self, path: str) -> Any:
        # Page after page through a small buffer, instead of whole row groups.
        return self._parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16)

    def _look_at(self, path: str, file: Any, columns: Sequence[str] | None) -> None:
        """Take the row groups of a file, and the columns of the first."""
        schema = file.schema_arrow
        if not self.chunks and not self._places:
            others = [*self._targets, *([] if self._weight is None else [self._weight])]
            for name in (*others, *(columns or ())):
                if name not in schema.names:
                    unknown("column", name, schema.names)
            self.names: list[str] | None = list(
                columns or (name for name in schema.names if name not in others)
            )
            self.features = len(self.names)
            self._types = {name: schema.field(name).type for name in (*self.names, *others)}
            for name, kind in self._types.items():
                _check_numbers(path, name, kind)
        else:
            for name, kind in self._types.items():
                found = schema.field(name).type if name in schema.names else None
                if found is None:
                    raise ValueError(
                        f"{path}: found no column {name!r}, which {self._paths[0]} has"
                    )
                if found != kind:
                    _check_numbers(path, name, found)
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if rows > 0:
                self._places.append((path, group))
                self.chunks.append(rows)

    def read(self, chunk: int) -> Iterator[Piece]:
        """The rows of a row group."""
        path, group = self._places[chunk]
        with self._file(path) as file:
            for batch in file.iter_batches(
                _PIECE, row_groups=[group], columns=list(self._types), use_threads=False
            ):
                columns = {name: _numbers(batch.column(name)) for name in self._types}
                x = np.empty((batch.num_rows, self.features), _common(columns, self.names or []))
                for place, name in enumerate(self.names or []):
                    x[:, place] = columns[name]
                targets = [columns[name] for name in self._targets]
                y = targets[0] if self._single else np.stack(targets, axis=1)
                yield Piece(x, y, None if self._weight is None else columns[self._weight])


def _common(columns: dict[str, Array], names: list[str]) -> Any:
    # float32 for what is float32 everywhere: half the memory.
    small = all(columns[name].dtype == np.float32 for name in names)
    return np.float32 if small else np.float64


def _check_numbers(path: str, name: str, kind: Any) -> None:
    with imports:
        import pyarrow.types as types

    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return
    raise ValueError(
        f"{path}: found column {name!r} of type {kind}, wanted numbers (leave it out by columns=, "
        "or let `densecore train` take care of it)"
    )


def _numbers(column: Any) -> Array:
    """A column as NumPy has it; of integers with missing values floats."""
    found: Array = column.to_numpy(zero_copy_only=False)
    if found.dtype.kind == "O":  # booleans with missing values
        found = np.array([np.nan if value is None else float(value) for value in found])
    return found
