"""Tables: a file, a data frame or an array becomes named columns. Knows nothing of networks.

Text files (CSV and its relatives, plain or packed) and JSON need NumPy alone; spreadsheets, Parquet
and files of other programs go through pandas.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.files import is_endless
from .._data.interop import is_masked
from .columns import Column, Contents, points_as_thousands, read_contents
from .derived import derived
from .errors import TableError, counted, listed
from .frames import columns_of_frame, of_arrow
from .other_files import (
    EXCEL,
    JSON,
    TYPED,
    ending_of,
    is_text,
    read_json,
    read_with_pandas,
    refuse_ending,
)
from .text_files import SEPARATORS, TextTable, read_text_table

__all__ = [
    "SEPARATORS",
    "Column",
    "Table",
    "TableError",
    "counted",
    "listed",
    "read_table",
    "table_of",
]


class Table:
    """The columns of a table, each name once.

    Attributes
    ----------
    path : str
        Of the file, or ``table`` for one that came from memory; for messages.
    names : list of str
    notes : list of str
        What was not plain when it was read, a sentence each.
    """

    def __init__(self, path: str, columns: Sequence[Column], rows: int, notes: Sequence[str] = ()):
        self.path = path
        self.notes = list(notes)
        self._rows = rows
        names, renamed = _different([column.name for column in columns])
        for column, name in zip(columns, names, strict=True):
            column.name = name
        if renamed:
            self.notes.append(f"columns of the same name are called {listed(renamed)}")
        self._columns = dict(zip(names, columns, strict=True))
        self._derived: dict[str, Column | None] = {}

    @property
    def names(self) -> list[str]:
        """The columns' names, in their order."""
        return list(self._columns)

    def __len__(self) -> int:
        return self._rows

    def __contains__(self, name: str) -> bool:
        """Whether there is a column of that name, or one that it can be made of."""
        return name in self._columns or self._made(name) is not None

    def __iter__(self) -> Iterator[Column]:
        return iter(self._columns.values())

    def release(self) -> None:
        """Let go of the file's text, once it is not to be quoted any more: half of the memory."""
        for column in self:
            column.release()

    def column(self, name: str) -> Column:
        """A column by name.

        Raises
        ------
        TableError
            There is none of that name; the message lists the known ones.
        """
        found = self._columns.get(name) or self._made(name)
        if found is None:
            raise TableError(f"{self.path}: no column '{name}'; known: {listed(self.names)}")
        return found

    def _made(self, name: str) -> Column | None:
        """A column that is part of another, see `derived`; made once."""
        if name not in self._derived:
            ends = [i for i, letter in enumerate(name) if letter in ".[" and i]
            sources = [(name[:i], name[i:]) for i in reversed(ends) if name[:i] in self._columns]
            made = (derived(self._columns[of], rest) for of, rest in sources)
            self._derived[name] = next((one for one in made if one is not None), None)
        return self._derived[name]


def _different(names: list[str]) -> tuple[list[str], list[str]]:
    """The names with a number behind those that occur again, and the new ones."""
    taken, made, renamed = set(names), [], []
    seen: set[str] = set()
    for name in names:
        new, number = name, 1
        while new in seen or (new != name and new in taken):
            number += 1
            new = f"{name}_{number}"
        if new != name:
            renamed.append(f"'{new}'")
        seen.add(new)
        made.append(new)
    return made, renamed


def read_table(
    path: str | os.PathLike[str],
    separator: str | None = None,
    header: bool = True,
    missing_values: Collection[str] = (),
) -> Table:
    """Read a table from a file.

    Parameters
    ----------
    path : path
        Told by its ending: ``.json``, ``.jsonl``; through pandas ``.parquet``, ``.feather``,
        ``.orc``, ``.dta``, ``.sas7bdat``, ``.sav``, ``.xlsx``, ``.ods`` and the like; anything else
        is delimited text, plain, gzip, bzip2, xz or zip. ``"-"`` is the standard input.
    separator : str, optional
        By default found in the first lines: comma, semicolon, tab, ``|``, or blanks.
    header : bool, default True
        Whether the first row names the columns; else they are ``column_1``, ``column_2``, ….
    missing_values : collection of str, default ()
        Texts that stand for a missing value in every column, besides an empty cell.

    Raises
    ------
    OSError
        The file cannot be read.
    TableError
        It is empty, not text, or not a table.
    ImportError
        pandas is wanted and not installed.
    """
    shown = checks.path("path", path)
    if os.path.isdir(shown):
        raise IsADirectoryError(f"{shown}: is a directory, wanted a file")
    if shown != "-" and not os.path.exists(shown):
        raise FileNotFoundError(f"{shown}: no such file")
    if is_endless(shown):  # a pipe is read: it may be the output of another program
        raise OSError(f"{shown}: is a device, wanted a file, a pipe or - (the standard input)")
    ending = ending_of(shown)
    refuse_ending(shown, ending)
    notes: list[str] = []
    if ending in TYPED or (ending in EXCEL and not is_text(shown, ending)):
        frame = read_with_pandas(shown, ending, header, notes)
        if len(frame) == 0:
            raise TableError(f"{shown}: found column names but no rows")
        if missing_values:
            frame = frame.mask(frame.astype(str).isin(list(missing_values)))
        first = 2 if header else 1
        columns = columns_of_frame(frame, shown, range(first, len(frame) + first),
                                   parse=ending in EXCEL)  # fmt: skip
        return Table(shown, columns, len(frame), notes)
    if ending in JSON:
        found = read_json(shown, ending, notes)
        rows = len(next(iter(found.values())))
        for cells in found.values():
            cells[[str(cell) in missing_values for cell in cells]] = None
        columns = columns_of_frame(found, shown, range(1, rows + 1), parse=True)
        return Table(shown, columns, rows, notes)
    read = read_text_table(shown, separator, header)
    if missing_values:
        read.cells.clear_cells(list(missing_values))
    return _of_text(shown, read)


def _of_text(path: str, read: TextTable) -> Table:
    cells, lines = read.cells, read.cells.lines
    decimal_first = read.separator != ","
    contents: dict[int, Contents] = {}

    def all_contents() -> dict[int, Contents]:
        """The columns' contents. In a file of decimal commas, points stand between thousands."""
        if not contents:
            made = {i: read_contents(cells, i, decimal_first) for i in range(cells.columns)}
            if decimal_first and any(c.style.startswith("decimal commas") for c in made.values()):
                for i, one in made.items():
                    if one.kind == "numbers" and not one.style and not one.strays:
                        assert one.values is not None
                        made[i] = points_as_thousands(cells, i, one.values) or one
            contents.update(made)
        return contents

    def contents_of(index: int) -> Callable[[], Contents]:
        if decimal_first:
            return lambda: all_contents()[index]
        return lambda: read_contents(cells, index, False)

    def texts_of(index: int) -> Callable[[], Any]:
        return lambda: cells.codes(index)

    columns = [
        Column(name, path, lines, contents_of(i), texts_of(i)) for i, name in enumerate(read.names)
    ]
    return Table(path, columns, cells.rows, read.notes)


def table_of(data: Any, names: Sequence[str] | None = None) -> Table:
    """A table from memory, or from a file when `data` is a path.

    Parameters
    ----------
    data : path, data frame (pandas, polars, Arrow, …), mapping of columns, or array (rows, columns)
    names : sequence of str, optional
        The columns of an array; by default ``x0``, ``x1``, ….

    Raises
    ------
    TypeError, ValueError
        It is none of these, or has not two dimensions.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str | os.PathLike):
        return read_table(data)
    data = of_arrow(data)
    rows, frame = _frame_of(data, names)
    if len(frame.columns if hasattr(frame, "columns") else frame) == 0:
        raise TableError("table: found no columns, wanted at least one")
    return Table("table", columns_of_frame(frame, "table", range(rows), parse=False), rows)


def unmasked(values: Any) -> Array:
    """An array whose masked values are missing ones."""
    if not is_masked(values) or not hasattr(values, "filled"):
        return np.asarray(values)
    if values.dtype.kind in "biuf":
        return np.asarray(values.astype(np.float64).filled(np.nan))
    if values.dtype.kind in "mM":
        return np.asarray(values.filled(np.array("NaT", values.dtype)))
    words: Array = values.astype(object).data
    words[np.ma.getmaskarray(values)] = None
    return words


def _frame_of(data: Any, names: Sequence[str] | None) -> tuple[int, Any]:
    if hasattr(data, "columns") and not isinstance(data, np.ndarray):
        return len(data), data
    if isinstance(data, dict):
        lengths = {len(column) for column in data.values()}
        if len(lengths) > 1:
            raise ValueError(f"table: found columns of {sorted(lengths)} rows, wanted the same")
        return (lengths.pop() if lengths else 0), {k: unmasked(v) for k, v in data.items()}
    array: Array = unmasked(data)
    if array.ndim != 2:
        raise ValueError(
            f"table: found an array of {array.ndim} dimensions, wanted (rows, columns). Reshape "
            "your data: x.reshape(-1, 1) for one column"
        )
    if names is None:
        names = [f"x{i}" for i in range(array.shape[1])]
    if len(names) != array.shape[1]:
        raise ValueError(f"names: found {len(names)}, wanted {array.shape[1]}")
    return len(array), {name: array[:, i] for i, name in enumerate(names)}
