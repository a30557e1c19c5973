"""Tables: a file becomes named columns of text or numbers. Knows nothing of networks.

CSV, plain or gzip, needs the standard library alone; Parquet and Excel go through pandas.
"""

import csv
import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TABLES_EXTRA = "needs pandas: pip install 'densecore[tables]'"

SEPARATORS = {",": ",", ";": ";", "tab": "\t", "|": "|", "space": " "}

# What stands for a missing value, compared without regard to case.
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}


class TableError(ValueError):
    """A table that cannot be used: one line that names file, row and column."""


@dataclass(frozen=True)
class Column:
    """One column, as text; `line` of a value is where it stands in the file.

    Attributes
    ----------
    name : str
    values : sequence of str
        Without surrounding blanks.
    table : Table
        Where it comes from, for error messages.
    """

    name: str
    values: Sequence[str]
    table: "Table"

    def where(self, row: int) -> str:
        """File, line and column of a value, for the start of a message."""
        return f"{self.table.path}: row {self.table.line(row)}, column '{self.name}'"

    def missing(self) -> NDArray[np.bool_]:
        """Where there is no value (rows,)."""
        return np.array([value.lower() in _MISSING for value in self.values], bool)

    def numbers(self) -> NDArray[np.float64]:
        """The values (rows,) as numbers; NaN where there is none, or where it is text.

        True and false are 1 and 0.
        """
        return np.array([_number(value) for value in self.values], np.float64)


@dataclass(frozen=True)
class Table:
    """The columns of a file, each name once.

    Attributes
    ----------
    path : str
    names : list of str
    """

    path: str
    names: list[str]
    _columns: list[list[str]]
    _lines: Sequence[int]

    def __len__(self) -> int:
        return len(self._lines)

    def line(self, row: int) -> int:
        """The line of the file on which a row starts (for a spreadsheet, its row number)."""
        return self._lines[row]

    def column(self, name: str) -> Column:
        """A column by name.

        Raises
        ------
        TableError
            There is none of that name; the message lists the known ones.
        """
        if name not in self.names:
            raise TableError(f"{self.path}: no column '{name}'; known: {listed(self.names)}")
        return Column(name, self._columns[self.names.index(name)], self)


def listed(names: Sequence[str], limit: int = 20) -> str:
    """Names for a message: all of them, or the first ones and how many more."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown}, … ({len(names) - limit} more)"


def counted(number: int, what: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def read_table(path: str | os.PathLike[str], separator: str | None = None) -> Table:
    """Read a table whose first line names its columns.

    Parameters
    ----------
    path : path
        ``.parquet``, ``.xlsx`` and ``.xls`` are read through pandas; anything else as CSV, plain or
        gzip.
    separator : str, optional
        By default found in the first lines: comma, semicolon, tab or ``|``.

    Raises
    ------
    OSError
        The file cannot be read.
    TableError
        It is empty, not text, or not a table.
    ImportError
        pandas is wanted and not installed.
    """
    shown = os.fspath(path)
    if os.path.isdir(path):
        raise IsADirectoryError(f"{shown}: is a directory, wanted a file")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{shown}: no such file")
    ending = os.path.splitext(shown)[1].lower()
    if ending in (".parquet", ".xlsx", ".xls"):
        names, rows, lines = _read_with_pandas(shown, ending)
    else:
        names, rows, lines = _read_csv(shown, separator)
    _check_names(shown, names)
    if not rows:
        raise TableError(f"{shown}: found column names but no rows")
    return Table(shown, names, [list(column) for column in zip(*rows, strict=True)], lines)


def _check_names(shown: str, names: list[str]) -> None:
    for number, name in enumerate(names, start=1):
        if not name:
            raise TableError(f"{shown}: row 1: column {number} has no name")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise TableError(f"{shown}: row 1: the column name '{repeated[0]}' occurs twice")


def _read_text(shown: str) -> str:
    with open(shown, "rb") as file:
        raw = file.read()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise TableError(f"{shown}: damaged gzip file ({error})") from None
    # Excel writes a byte order mark, and "Unicode text" as UTF-16.
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    if b"\x00" in raw and encoding != "utf-16":
        raise TableError(f"{shown}: not a text file, wanted CSV")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TableError(
            f"{shown}: row {line}: not {encoding.removesuffix('-sig').upper()} text (byte "
            f"0x{raw[error.start]:02x})"
        ) from None
    if not text.strip():
        raise TableError(f"{shown}: the file is empty")
    return text


def _read_csv(shown: str, separator: str | None) -> tuple[list[str], list[list[str]], list[int]]:
    text = _read_text(shown)
    if separator is None:
        separator = _find_separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True,
                        skipinitialspace=True)  # fmt: skip
    records = _records(shown, reader)
    _, names = next(records, (1, []))
    if not names:
        raise TableError(f"{shown}: the file is empty")
    rows, lines = [], []
    for line, record in records:
        if len(record) != len(names):
            raise TableError(
                f"{shown}: row {line}: found {counted(len(record), 'value')}, wanted "
                f"{len(names)} as in the first row"
            )
        rows.append(record)
        lines.append(line)
    # A comma can only be a decimal mark where it does not separate values.
    if separator != ",":
        rows = [[_decimal_point(value) for value in record] for record in rows]
    return names, rows, lines


def _records(shown: str, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """(line, values) of every record that is not blank. A record may span lines, in quotes."""
    line = 1
    try:
        for record in reader:
            if record and (len(record) > 1 or record[0].strip()):
                yield line, [value.strip() for value in record]
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{shown}: row {line}: {error}") from None


def _find_separator(text: str) -> str:
    """The separator that cuts the first lines into the same number of values, the most of them."""
    lines = [line for line in text[:20_000].splitlines()[:20] if line.strip()]
    best, most = ",", 1
    for separator in (",", ";", "\t", "|"):
        try:
            counts = [
                len(record)
                for record in csv.reader(lines, delimiter=separator, skipinitialspace=True)
            ]
        except csv.Error:
            continue
        # Decimal commas also cut lines into pieces, but not the line of names into as many.
        usual = Counter(counts).most_common(1)[0]
        if counts[0] == usual[0] and counts[0] > most:
            best, most = separator, counts[0]
    return best


def _decimal_point(value: str) -> str:
    if value.count(",") != 1:
        return value
    number = value.replace(",", ".")
    # A name such as "Miller, J" keeps its comma.
    return value if np.isnan(_number(number)) else number


def _read_with_pandas(shown: str, ending: str) -> tuple[list[str], list[list[str]], list[int]]:
    try:
        import pandas
    except ImportError:
        raise ImportError(f"{shown}: reading {ending} {TABLES_EXTRA}") from None
    try:
        frame = pandas.read_parquet(shown) if ending == ".parquet" else pandas.read_excel(shown)
    except ImportError as error:
        raise ImportError(f"{shown}: reading {ending} {TABLES_EXTRA} ({error})") from None
    except Exception as error:  # pandas has many ways to dislike a file
        reason = " ".join(str(error).split())[:200]
        raise TableError(f"{shown}: not a readable {ending} file ({reason})") from None
    missing = frame.isna().to_numpy()
    cells = frame.to_numpy(dtype=object)
    rows = [
        ["" if absent else str(cell).strip() for cell, absent in zip(row, gone, strict=True)]
        for row, gone in zip(cells, missing, strict=True)
    ]
    names = [str(name).strip() for name in frame.columns]
    return names, rows, list(range(2, len(rows) + 2))


def _number(value: str) -> float:
    lowered = value.lower()
    if lowered in ("true", "false"):
        return float(lowered == "true")
    if "_" in value:  # Python reads 1_000 as a number; no table means that
        return float("nan")
    try:
        return float(value)
    except ValueError:
        return float("nan")
