"""Text files of tables: their encoding, their format, and their cells.

Everything is told by the contents, nothing by the file's name: gzip and zip by their first bytes,
UTF-16 without a mark by its zeros, Latin-1 by bytes that are no UTF-8, separators by lines that
have the same number of cells.
"""

import bz2
import codecs
import gzip
import io
import lzma
import sys
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .._base import core
from . import layout
from .cell_marks import with_plain_digits, without_marks
from .errors import TableError, counted, listed
from .fixed_width import as_tabs
from .layout import LOOK, records
from .markup import as_delimited

SEPARATORS = {",": ",", ";": ";", "tab": "\t", "|": "|", "space": " "}


@dataclass
class TextTable:
    """The cells of a text file and the names of their columns."""

    cells: core.DelimitedText
    names: list[str]
    separator: str
    notes: list[str] = field(default_factory=list)


def read_text_table(path: str, separator: str | None, header: bool) -> TextTable:
    """Read a delimited text file.

    Raises
    ------
    OSError
        The file cannot be read.
    TableError
        It is empty, not text, or many of its rows have another number of cells than names.
    """
    notes: list[str] = []
    text = read_text(path, notes)
    if not text.strip():
        raise TableError(f"{path}: the file is empty")
    text = without_marks(as_delimited(path, text, notes))
    text = layout.without_rulers(text, notes)
    begin, line, separator = _preamble(text, separator)
    if separator is None:
        separator, merge = _find_separator(text, begin)
        alone = all(len(cells) == 1 for _, _, cells in records(text, begin, separator, merge))
        fixed = as_tabs(text[begin:], notes) if alone and header else None
        if fixed is not None:
            text, separator = text[:begin] + fixed, "\t"
    else:
        merge = separator == " "
    begin, line = _skip_comments(text, begin, line, separator, merge)
    if header:
        begin, line = _skip_titles(text, begin, line, separator, merge, notes)
    first = begin
    names, begin, line = _names(path, text, begin, line, separator, merge, header, notes)
    if header and len(names) > 1:
        text = layout.without_repeats(text, first, begin, notes)
        begin, line = _skip_units(text, begin, line, separator, merge, len(names), notes)
    text = layout.without_blank_end(text, begin, separator, notes)
    text = layout.without_footnotes(text, begin, len(names), separator, merge, notes)
    cut, totals = layout.totals(text, begin, len(names), separator, merge)

    def cells_of(part: bytes) -> Any:
        try:
            return core.DelimitedText(part, begin, line, len(names), separator, merge, True)
        except ValueError as error:
            raise TableError(f"{path}: {error}") from None

    cells = cells_of(text[:cut] if totals else text)
    if totals and layout.are_totals(totals, cells):
        notes.append(f"{counted(len(totals), 'row')} of totals at the end left out")
    elif totals:
        cells = cells_of(text)
    if cells.rows == 0:
        raise TableError(f"{path}: found column names but no rows")
    notes += _ragged(cells, merge)
    return TextTable(cells, names, separator, notes)


def _ragged(cells: Any, merge: bool) -> list[str]:
    """What is said of the few rows that have not as many values as there are columns."""
    lines, found = cells.lines, cells.ragged
    short = [str(lines[row]) for row, size in found if size < cells.columns]
    long = [str(lines[row]) for row, size in found if size > cells.columns]
    notes = []
    if short:
        notes.append(
            f"{counted(len(short), 'row')} of too few values: "
            f"{'all' if merge else 'those not there'} count as missing ({_rows(short)})"
        )
    if long:
        notes.append(
            f"{counted(len(long), 'row')} of too many values: all count as missing ({_rows(long)}; "
            "a separator within a text wants quotes)"
        )
    return notes


def _rows(lines: list[str]) -> str:
    return f"row{'' if len(lines) == 1 else 's'} {listed(lines, 5)}"


def read_text(path: str, notes: list[str]) -> bytes:
    """A file's text, unpacked, as UTF-8; ``-`` is the standard input."""
    if path == "-":
        if sys.stdin is None:
            raise TableError("-: the standard input is closed")
        raw = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as file:
            raw = file.read()
    return with_plain_digits(_decoded(path, _unpacked(path, raw), notes), notes)


# Bytes -------------------------------------------------------------------------------------------


def _unpacked(path: str, raw: bytes) -> bytes:
    if raw[:2] == b"\x1f\x8b":
        try:
            return gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise TableError(f"{path}: damaged gzip file ({error})") from None
    for start, module in ((b"BZh", bz2), (b"\xfd7zXZ\x00", lzma)):
        if raw.startswith(start):
            name = module.__name__.replace("lzma", "xz")
            try:
                return bytes(module.decompress(raw))
            except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
                if name == "bz2" and not raw[3:4].isdigit():
                    break  # a text
                raise TableError(f"{path}: damaged {name} file ({error})") from None
    if raw[:4] == b"\x28\xb5\x2f\xfd":
        raise TableError(f"{path}: found a file packed by zstd, wanted it unpacked (unzstd)")
    if raw[:4] == b"PK\x03\x04":
        try:
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                files = [n for n in archive.namelist() if not _of_no_table(n)]
                if len(files) != 1:
                    raise TableError(
                        f"{path}: found {len(files)} files in the zip archive, wanted one table"
                    )
                return archive.read(files[0])
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
            raise TableError(f"{path}: damaged zip file ({error})") from None
    return raw


def _of_no_table(name: str) -> bool:
    """A folder, or what a Mac leaves in archives."""
    return name.endswith(("/", ".DS_Store")) or name.startswith("__MACOSX/")


_MARK = b"\xef\xbb\xbf"


def _decoded(path: str, raw: bytes, notes: list[str]) -> bytes:
    """The text as UTF-8 without a mark."""
    encoding = None
    if raw.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        encoding = "utf-32"
    elif raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\x00" in raw[:LOOK]:
        # ASCII letters in UTF-16 have a zero in every other byte.
        even, odd = raw[:LOOK:2].count(0), raw[1:LOOK:2].count(0)
        half = min(len(raw), LOOK) / 2
        if odd > 0.3 * half and even < 0.05 * half:
            encoding = "utf-16-le"
        elif even > 0.3 * half and odd < 0.05 * half:
            encoding = "utf-16-be"
    if encoding is not None:
        try:
            return raw.decode(encoding).encode("utf-8", "replace")
        except UnicodeDecodeError as error:
            raise TableError(f"{path}: not {encoding[:6].upper()} text ({error.reason})") from None
    if b"\x00" in raw:
        raise TableError(f"{path}: not a text file, wanted CSV")
    if raw.startswith(_MARK):
        # Files that were put one behind the other each have their own.
        raw = raw[len(_MARK) :].replace(b"\n" + _MARK, b"\n")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        control = sum(raw.count(bytes([c])) for c in range(32) if c not in (9, 10, 12, 13, 27))
        if control > 0.001 * len(raw):
            raise TableError(
                f"{path}: row {line}: not a text file (byte 0x{raw[error.start]:02x})"
            ) from None
        notes.append(f"read as Windows-1252 text: byte 0x{raw[error.start]:02x} in row {line} is "
                     "no UTF-8")  # fmt: skip
        # Five bytes mean nothing in it: they become what Latin-1 says.
        return raw.decode("cp1252", "_densecore_latin1").encode("utf-8")
    return raw


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("_densecore_latin1", _as_latin1)


# Format ------------------------------------------------------------------------------------------


def _preamble(text: bytes, separator: str | None) -> tuple[int, int, str | None]:
    """Where the table begins, its line, and the separator if Excel's ``sep=`` line names one."""
    head = text[:20].lower()
    if head.startswith(b"sep=") and len(head) > 5:
        end = text.find(b"\n")
        named = text[4:5].decode("ascii", "replace")
        if 0 <= end <= 7 and not named.isalnum():
            return end + 1, 2, separator or named
    return 0, 1, separator


def _find_separator(text: bytes, begin: int) -> tuple[str, bool]:
    """The separator that cuts the first records into the same number of cells, the most of them;
    and whether runs of it are one."""
    best, most = ",", 1
    for separator in (",", ";", "\t", "|"):
        found = records(text, begin, separator, False)
        counts = [len(cells) for _, _, cells in found if not _is_comment(cells)]
        if not counts:
            continue
        # Decimal commas also cut lines into pieces, but not the line of names into as many. R's
        # row names have no name of their own, and some programs end lines with a separator.
        usual = Counter(counts[1:] or counts).most_common(1)[0][0]
        if counts[0] in (usual, usual - 1) and usual > most and counts[0] > 1:
            best, most = separator, usual
    if most > 1:
        return best, False
    # Blanks last: they stand in texts, too. Then at least one column is numbers.
    rows = [cells for _, _, cells in records(text, begin, " ", True) if not _is_comment(cells)]
    counts = [len(cells) for cells in rows[1:] or rows]
    if counts and counts[0] > 1 and len(set(counts)) == 1:
        same = len(rows[0]) in (counts[0], counts[0] - 1)
        numeric = (
            any(
                all(core.parse_number(row[i]) is not None for row in rows[1:])
                for i in range(counts[0])
            )
            and len(rows) > 1
        )
        if same and numeric:
            return " ", True
    # Lines of another kind stand before the table.
    for separator in (",", ";", "\t", "|"):
        found = records(text, begin, separator, False)
        size = layout.usual_size(found)
        if size > most and layout.titles(found):
            best, most = separator, size
    return best, False


def _skip_titles(
    text: bytes, begin: int, line: int, separator: str, merge: bool, notes: list[str]
) -> tuple[int, int]:
    """Pass the lines of a title before the columns' names."""
    found = records(text, begin, separator, merge)
    count = layout.titles(found)
    if count:
        after = found[count - 1][1] + (0 if begin < LOOK // 2 else begin)
        lines = text.count(b"\n", begin, after) or text.count(b"\r", begin, after)
        notes.append(f"{counted(count, 'line')} before the columns' names left out")
        return after, line + lines
    return begin, line


def _skip_units(
    text: bytes, begin: int, line: int, separator: str, merge: bool, columns: int, notes: list[str]
) -> tuple[int, int]:
    """Pass a record of the columns' units."""
    rows = [cells for _, _, cells in records(text, begin, separator, merge)]
    if rows and len(rows[0]) == columns and layout.is_units(rows[0], rows[1:]):
        line_, after, cells = _first_record(text, begin, separator, merge)
        ends = text.count(b"\n", begin, begin + after) or text.count(b"\r", begin, begin + after)
        shown = ", ".join(cell for cell in cells if cell)
        notes.append(f"row {line + line_ - 1} left out, which says units ({shown[:40]})")
        return begin + after, line + ends
    return begin, line


def _is_comment(cells: list[str]) -> bool:
    return cells[0].startswith("#") if cells else False


def _skip_comments(
    text: bytes, begin: int, line: int, separator: str, merge: bool
) -> tuple[int, int]:
    """Pass lines that begin with # and have another number of cells than the rows."""
    found = records(text, begin, separator, merge)
    plain = [len(cells) for _, _, cells in found if not _is_comment(cells)]
    if not plain:
        return begin, line
    usual = Counter(plain).most_common(1)[0][0]
    for _, after, cells in found:
        if not _is_comment(cells) or (len(cells) == usual and not cells[0].startswith("# ")):
            break
        line += text.count(b"\n", begin, after)
        begin = after
    return begin, line


def _names(
    path: str,
    text: bytes,
    begin: int,
    line: int,
    separator: str,
    merge: bool,
    header: bool,
    notes: list[str],
) -> tuple[list[str], int, int]:
    """The names of the columns, and where the rows begin (byte and line)."""
    _, after, first = _first_record(text, begin, separator, merge)
    if not any(first):
        raise TableError(f"{path}: the file is empty")
    rows = [cells for _, _, cells in records(text, begin + after, separator, merge)]
    rows = [cells for cells in rows if not _is_comment(cells) or len(cells) == len(first)]
    if not header:
        return [f"column_{i + 1}" for i in range(len(first))], begin, line
    names = list(first)
    usual = Counter(len(cells) for cells in rows).most_common(1)[0][0] if rows else len(names)
    if usual == len(names) + 1 and all(cells[-1] for cells in rows if len(cells) == usual):
        names = ["", *names]  # R's write.table does not name the column of row names
    while (
        len(names) > 1
        and not names[-1]
        and all(len(cells) < len(names) or not cells[len(names) - 1] for cells in rows)
    ):
        names.pop()  # every line ends with a separator
    if rows and _looks_like_values(names, rows[0]):
        notes.append(
            "the first row looks like values, and its cells are taken as the columns' names; "
            "--no-header takes it as values"
        )
    ends = text.count(b"\n", begin, begin + after) or text.count(b"\r", begin, begin + after)
    return names, begin + after, line + ends


def _first_record(text: bytes, begin: int, separator: str, merge: bool) -> tuple[int, int, Any]:
    """The first record, which may be of any length: its line, where it ends, its cells."""
    size = LOOK
    while True:
        part = text[begin : begin + size]
        records = core.first_records(part, 0, separator, merge, 1)
        if records and (records[0][1] < len(part) or begin + size >= len(text)):
            return records[0]
        if begin + size >= len(text):
            return 1, len(text) - begin, []
        size *= 4


def _looks_like_values(names: list[str], row: list[str]) -> bool:
    """Whether at least half of the names are numbers, and stand over numbers."""
    numeric = [i for i, name in enumerate(names) if core.parse_number(name) is not None]
    if len(numeric) < max(1, len(names) / 2):
        return False
    cells = [row[i] for i in numeric if i < len(row)]
    # Years and other whole numbers from 1 on are names that people give.
    if all(names[i].isdigit() and names[i] == str(int(names[i])) for i in numeric):
        return len({names[i] for i in numeric}) < len(numeric)
    return all(not cell or core.parse_number(cell) is not None for cell in cells)
