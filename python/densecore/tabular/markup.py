"""Texts that say what is a row and a cell by words: HTML, Excel's XML of 2003, Weka's ARFF.

Each becomes comma-separated text, so that what is known of such files holds for them too.
"""

import csv
import io
import re
from html.parser import HTMLParser

from .errors import TableError, counted

_LOOK = 4096
_ROWS, _CELLS = {"tr", "row"}, {"td", "th", "cell"}
_MOST_SPANNED = 10_000


def as_delimited(path: str, text: bytes, notes: list[str]) -> bytes:
    """UTF-8 text as it is, or as comma-separated text when it is one of these formats.

    Raises
    ------
    TableError
        It is one of them, and holds no table.
    """
    start = text[:_LOOK].lstrip().lower()
    if start.startswith(b"<") and re.search(rb"<(?:!doctype html|html|table|(?:\w+:)?workbook)\b",
                                            start):  # fmt: skip
        reader = _Tables()
        reader.feed(text.decode("utf-8"))
        reader.close()
        tables = [table for table in reader.tables if len(table) > 1]
        if not tables:
            raise TableError(f"{path}: found HTML without a table of several rows, wanted one")
        if len(tables) > 1:
            notes.append(f"the largest of {counted(len(tables), 'table')} taken")
        return _csv(max(tables, key=len))
    if re.search(rb"^\s*@relation\b", text[:_LOOK], re.IGNORECASE | re.MULTILINE):
        return _of_arff(path, text.decode("utf-8"))
    return text


def _csv(rows: list[list[str]]) -> bytes:
    width = max(len(row) for row in rows)
    made = io.StringIO()
    padded = [row + [""] * (width - len(row)) for row in rows]
    csv.writer(made, lineterminator="\n").writerows(padded)
    return made.getvalue().encode()


class _Tables(HTMLParser):
    """The cells of all tables of a page; a cell of several rows or columns is in each of them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[str]]] = []
        self._open: list[list[list[str]]] = []  # tables within tables
        self._below: list[dict[int, tuple[int, str]]] = []  # column: rows to come, text
        self._cell: list[str] | None = None
        self._spans = (1, 1)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name, given = tag.rpartition(":")[2], dict(attrs)
        if name == "table":
            self._close_cell()
            self._open.append([])
            self._below.append({})
            self.tables.append(self._open[-1])
        elif name in _ROWS and self._open:
            self._close_cell()
            self._open[-1].append([])
        elif name in _CELLS and self._open and self._open[-1]:
            self._close_cell()
            self._fill(_count(given.get("ss:index"), 0) - 1)
            self._cell = []
            self._spans = (_count(given.get("rowspan"), 1), _count(given.get("colspan"), 1))
        elif name == "br" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        if name in _CELLS | _ROWS | {"table"}:
            self._close_cell()
        if name in _ROWS and self._open and self._open[-1]:
            self._fill(max(self._below[-1], default=-1) + 1)
        if name == "table" and self._open:
            self._open.pop()
            self._below.pop()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def _fill(self, until: int) -> None:
        """Add the cells of rows above that reach into this one, and empty ones up to a column."""
        row, below = self._open[-1][-1], self._below[-1]
        while len(row) in below or len(row) < until:
            rows, text = below.pop(len(row), (1, ""))
            if rows > 1:
                below[len(row)] = rows - 1, text
            row.append(text)

    def _close_cell(self) -> None:
        if self._cell is None:
            return
        text = " ".join("".join(self._cell).split())
        self._cell = None
        rows, columns = self._spans
        row = self._open[-1][-1]
        for _ in range(columns):
            if rows > 1:
                self._below[-1][len(row)] = rows - 1, text
            row.append(text)
        self._fill(0)


def _count(given: str | None, default: int) -> int:
    """A number of rows or columns."""
    return min(int(given), _MOST_SPANNED) if given and given.strip().isdecimal() else default


_ATTRIBUTE = re.compile(
    r"^\s*@attribute\s+(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|(\S+))\s", re.IGNORECASE
)


def _of_arff(path: str, text: str) -> bytes:
    names, lines, inside = [], [], False
    for line in text.splitlines():
        if line.lstrip().startswith("%"):
            continue
        if inside:
            lines.append(line)
        elif found := _ATTRIBUTE.match(line):
            names.append(next(part for part in found.groups() if part is not None))
        inside = inside or line.strip().lower() == "@data"
    rows = [line for line in lines if line.strip()]
    if not names or not rows:
        raise TableError(f"{path}: found an ARFF file without attributes or rows")
    if rows[0].lstrip().startswith("{"):
        raise TableError(
            f"{path}: found an ARFF file of sparse rows, wanted one that says all cells"
        )
    quote = "'" if any("'" in row for row in rows) and not any('"' in row for row in rows) else '"'
    cells = csv.reader(rows, quotechar=quote, escapechar="\\", skipinitialspace=True)
    return _csv([names, *([cell.strip() for cell in row] for row in cells)])
