"""Tables in files of other programs, through pandas, and JSON."""

import io
import json
import os
import zipfile
from typing import Any

import numpy as np

from .._base.lazy import imports
from .derived import flat
from .errors import TableError, counted, listed
from .text_files import read_text

TABLES_EXTRA = "needs pandas: pip install 'densecore[tables]'"

# The ending, and pandas's function.
TYPED = {
    ".parquet": "read_parquet",
    ".feather": "read_feather",
    ".arrow": "read_feather",
    ".orc": "read_orc",
    ".dta": "read_stata",
    ".sas7bdat": "read_sas",
    ".xpt": "read_sas",
    ".sav": "read_spss",
}
EXCEL = {".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"}
_LINES = {".jsonl", ".ndjson"}
JSON = {".json", *_LINES}
_PICKLES = {".pkl", ".pickle", ".joblib", ".rds", ".rda", ".rdata", ".npy", ".npz", ".mat", ".h5"}
_TITLES = 50


def ending_of(path: str) -> str:
    """The ending of a file's name, without that of a packed file."""
    name = path.lower()
    for packed in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(packed)
    return os.path.splitext(name)[1]


def is_text(path: str, ending: str) -> bool:
    """Whether a file that is called a spreadsheet is a text, or HTML: many programs name theirs
    ``.xls`` so that Excel opens it."""
    if ending != ".xls":
        return False
    with open(path, "rb") as file:
        start = file.read(512)
    wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))  # UTF-16
    return bool(start) and (wide or b"\x00" not in start)


def read_with_pandas(shown: str, ending: str, header: bool, notes: list[str]) -> Any:
    """A data frame of a file with one of the endings `TYPED` or `EXCEL`.

    Raises
    ------
    ImportError
        pandas, or what it needs for such files, is not installed.
    TableError
        It is no such file.
    """
    try:
        with imports:
            import pandas
    except ImportError:
        raise ImportError(f"{shown}: reading {ending} {TABLES_EXTRA}") from None
    try:
        if ending in EXCEL:
            return _sheet(pandas, shown, header, notes)
        options = {"encoding": "infer"} if ending == ".sas7bdat" else {}
        return getattr(pandas, TYPED[ending])(shown, **options)
    except ImportError as error:
        raise ImportError(f"{shown}: reading {ending} {TABLES_EXTRA} ({error})") from None
    except TableError:
        raise
    except Exception as error:  # pandas has many ways to dislike a file
        reason = " ".join(str(error).split())[:200]
        raise TableError(f"{shown}: not a readable {ending} file ({reason})") from None


def _sheet(pandas: Any, shown: str, header: bool, notes: list[str]) -> Any:
    """The first sheet that is a table, without titles above it."""
    with pandas.ExcelFile(_unmerged(shown, notes)) as book:
        names = [str(name) for name in book.sheet_names]
        for name in names:
            frame = pandas.read_excel(book, sheet_name=name, header=0 if header else None)
            titles = _titles(frame) if header else 0
            if titles:
                frame = pandas.read_excel(book, sheet_name=name, header=0, skiprows=titles)
            if len(frame) > 1 and len(frame.columns) > 1:
                break
    if len(names) > 1:
        notes.append(f"sheet '{name}' of {listed([repr(each) for each in names])}")
    if titles:
        notes.append(f"{titles} rows above the columns' names left out")
    return frame


def _unmerged(shown: str, notes: list[str]) -> Any:
    """A workbook in which cells that were merged over rows all have the value of the first one.

    It is the file itself where none were. Cells merged over columns are headings.
    """
    if not zipfile.is_zipfile(shown):
        return shown
    with zipfile.ZipFile(shown) as parts:
        sheets = [name for name in parts.namelist() if name.startswith("xl/worksheets/")]
        if not any(b"<mergeCell " in parts.read(name) for name in sheets):
            return shown
    with imports:
        import openpyxl

    book, count = openpyxl.load_workbook(shown, data_only=True), 0
    for sheet in book.worksheets:
        for merged in list(sheet.merged_cells.ranges):
            if merged.min_col != merged.max_col:
                continue
            sheet.unmerge_cells(merged.coord)
            value = sheet.cell(merged.min_row, merged.min_col).value
            for row in range(merged.min_row + 1, merged.max_row + 1):
                sheet.cell(row, merged.min_col, value)
            count += 1
    if not count:
        return shown
    made = io.BytesIO()
    book.save(made)
    notes.append(f"{counted(count, 'cell')} merged over rows: each of the rows has the value")
    return made


def _titles(frame: Any) -> int:
    """How many rows stand above the names: those that most cells of are empty, as are most names
    that were taken from the first row."""
    width = len(frame.columns)
    nameless = sum(str(name).startswith("Unnamed: ") for name in frame.columns)
    if width < 2 or 2 * nameless < width:
        return 0
    known = frame.iloc[:_TITLES].notna().to_numpy()
    full = np.flatnonzero(known.sum(axis=1) == width)
    if not full.size:
        return 0
    cells = frame.iloc[int(full[0])]
    texts = all(isinstance(cell, str) for cell in cells)
    return int(full[0]) + 1 if texts else 0


def refuse_ending(shown: str, ending: str) -> None:
    """Raise TableError for files that are known to be no table's text."""
    if ending in _PICKLES:
        raise TableError(
            f"{shown}: found a {ending} file, wanted CSV, JSON, Parquet, Feather, ORC, Stata, SAS, "
            "SPSS or a spreadsheet"
        )


def read_json(shown: str, ending: str, notes: list[str]) -> dict[str, Any]:
    """The columns of a JSON file: a list of objects, one on each line, or an object of columns.

    Raises
    ------
    TableError
        It is no JSON, or no table.
    """
    text = read_text(shown, notes)
    try:
        try:
            made = json.loads(text) if ending not in _LINES else None
        except ValueError:
            if len(text.splitlines()) < 2:
                raise
            made = None
        if made is None:
            made = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise TableError(f"{shown}: not a JSON file ({error})") from None
    rows = _rows(made)
    if not rows:
        raise TableError(f"{shown}: found JSON that is no list of objects, wanted one for each row")
    names: dict[str, None] = {}
    entries = [dict(flat(row)) for row in rows]
    for one in entries:
        names.update(dict.fromkeys(one))
    if not names:
        raise TableError(f"{shown}: found objects without entries, wanted columns")
    return {name: _array([one.get(name) for one in entries]) for name in names}


def _array(values: list[Any]) -> Any:
    made = np.empty(len(values), object)
    made[:] = values
    return made


def _rows(made: Any) -> list[dict[str, Any]]:
    """A row's object for each; empty when it is none of the known forms."""
    if isinstance(made, dict):
        columns, data = made.get("columns"), made.get("data")
        if isinstance(data, list) and isinstance(columns, list):
            made = [columns, *data]
        elif isinstance(data, list):
            made = data
        elif made and all(isinstance(column, dict) for column in made.values()):
            keys: dict[str, None] = {}
            for column in made.values():
                keys.update(dict.fromkeys(column))
            return [{name: column.get(k) for name, column in made.items()} for k in keys]
        elif made and all(isinstance(column, list) for column in made.values()):
            count = max(len(column) for column in made.values())
            if any(len(column) != count for column in made.values()):
                return []
            return [{name: column[i] for name, column in made.items()} for i in range(count)]
    if not isinstance(made, list):
        return []
    if all(isinstance(row, dict) for row in made):
        return made
    if len(made) > 1 and all(isinstance(row, list) and len(row) == len(made[0]) for row in made):
        return [dict(zip(map(str, made[0]), row, strict=True)) for row in made[1:]]
    return []
