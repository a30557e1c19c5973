"""What stands around a table in a text file: titles before it, lines of dashes, a row of units,
repeated names, totals and notes at its end.

Each function takes UTF-8 text and gives it back without that, with as many lines as before, so that
rows keep their numbers in messages. What is left out is said in `notes`.
"""

import re
from collections import Counter
from typing import Any

import numpy as np

from .._base import core
from .errors import counted
from .readings import PLAIN, SPELLINGS

LOOK = 1 << 16
_LOOK_RECORDS = 50
_MOST_TITLES = 30
_MOST_TOTALS = 3
# A row that says nothing may be a row; so many are what a spreadsheet exports beside its table.
_FEWEST_BLANK = 20

Record = tuple[int, int, list[str]]  # line, where the next one begins, cells


def records(text: bytes, begin: int, separator: str, merge: bool) -> list[Record]:
    """The first records from `begin` on, of what is looked at."""
    found = core.first_records(text[:LOOK] if begin < LOOK // 2 else text[begin : begin + LOOK],
                               begin if begin < LOOK // 2 else 0, separator, merge,
                               _LOOK_RECORDS)  # fmt: skip
    if len(text) > LOOK and len(found) > 1 and found[-1][1] >= LOOK:
        found.pop()  # cut by the end of what is looked at
    return found


# Tables drawn with lines ------------------------------------------------------------------------

_RULER = re.compile(rb"^[ \t]*(?:[|+][ \t]*)?:?[-=]{2,}[-=+|: \t]*(?=\r?$)", re.MULTILINE)
_FRAME = re.compile("^[ \t]*[─━═┌┬┐├┼┤└┴┘╞╪╡╔╦╗╠╬╣╚╩╝╭╮╰╯┏┳┓┡╇┩]+[ \t]*(?=\r?$)", re.MULTILINE)
_LEFT = re.compile(rb"^[ \t]*\|", re.MULTILINE)
_RIGHT = re.compile(rb"\|[ \t]*(?=\r?$)", re.MULTILINE)


def without_rulers(text: bytes, notes: list[str]) -> bytes:
    """A table as databases, SAP and Markdown draw it, without what is drawn."""
    look = text[:LOOK]
    framed = b"\xe2\x94" in look or b"\xe2\x95" in look
    if not framed and not _RULER.search(look):
        return text
    made = text
    if framed:
        drawn = re.sub("[│┃║┆]", "|", _FRAME.sub("", text.decode("utf-8")))
        made = drawn.encode("utf-8")
    made = _RULER.sub(b"", made)
    lines = [line for line in made[:LOOK].split(b"\n")[:-1] if line.strip()]
    inside = [line.strip() for line in lines if b"|" in line]
    if not inside or 2 * len(inside) < len(lines):
        return text
    if sum(line[:1] == b"|" == line[-1:] for line in inside) > 0.9 * len(inside):
        made = _RIGHT.sub(b"", _LEFT.sub(b"", made))
    notes.append("lines of dashes left out")
    return made


# Before the names --------------------------------------------------------------------------------


def usual_size(found: list[Record]) -> int:
    """How many cells most records have."""
    return Counter(len(cells) for _, _, cells in found).most_common(1)[0][0] if found else 0


def titles(found: list[Record]) -> int:
    """How many of the first records stand before that of the columns' names.

    They have fewer cells than the rows, or more than half of theirs are empty. The names are all
    there, none is a number, and there are numbers below them.
    """
    size = usual_size(found)
    if size < 2 or len(found) < 3:
        return 0
    first = found[0][2]
    # One cell fewer has R's line of names, which does not name the row names.
    if len(first) >= max(size - 1, 2) and 2 * sum(map(bool, first)) > len(first):
        return 0
    for at, (_, _, cells) in enumerate(found[: _MOST_TITLES + 1]):
        if len(cells) == size and all(cells):
            below = [row for _, _, row in found[at + 1 :] if len(row) == size]
            named = not any(_is_number(cell) for cell in cells)
            return at if named and len(below) >= 2 and _numbers_below(below, 0.5) else 0
    return 0


def _numbers_below(rows: list[list[str]], share: float = 0.8) -> list[int]:
    """The columns of which such a share of the cells are numbers."""
    found = []
    for column in range(len(rows[0])):
        cells = [row[column] for row in rows if row[column]]
        numbers = sum(_is_number(cell) for cell in cells)
        if cells and numbers >= share * len(cells):
            found.append(column)
    return found


def _is_number(cell: str) -> bool:
    if core.parse_number(cell) is not None:
        return True
    if not any(character.isdigit() for character in cell):
        return False
    return any(not np.isnan(one.numbers([cell])[0]) for one in SPELLINGS)


_UNITS = frozenset(
    """
    - % $ € £ ° deg degrees rad m mm cm dm km µm um nm in ft mi m2 m² km2 km² ha m3 m³ l ml cl
    s ms µs us sec seconds min minutes h hr hours d day days week weeks yr year years
    kg g mg µg ug ng t lb oz °c °f k degc celsius pa hpa kpa mpa mbar bar psi mmhg
    v mv kv a ma w kw mw wh kwh mwh hz khz mhz ghz n kn j kj mj mol db lx ppm ppb ph psu ntu
    m/s km/h mph kn m3/s m³/s l/s l/min mg/l µg/l ug/l g/l mg/kg µg/m3 µg/m³ ug/m3 kg/m3 kg/m³
    kg/m2 kg/m² w/m2 w/m² mmol/l µmol/l g/dl mg/dl u/l iu/l ng/ml pg/ml bpm 1/min rpm
    eur usd gbp chf count number pcs
    """.split()  # noqa: SIM905
)


def _is_unit(cell: str) -> bool:
    return cell.casefold() in _UNITS or (len(cell) > 2 and cell[0] + cell[-1] in ("[]", "()"))


def is_units(first: list[str], rows: list[list[str]]) -> bool:
    """Whether the record behind the names says the columns' units: no number, over numbers."""
    rows = [row for row in rows if len(row) == len(first)]
    if len(rows) < 3:
        return False
    numbers = _numbers_below(rows)
    over = [first[i] for i in numbers]
    given = [cell for cell in over if cell]
    if len(given) < max(1, len(over) / 2):
        return False
    if not all(_is_unit(cell) for cell in given):
        return False
    others = [cell for i, cell in enumerate(first) if i not in numbers and cell]
    return all(sum(c.isdigit() for c in cell) < 2 and len(cell) <= 12 for cell in others)


def without_repeats(text: bytes, begin: int, end: int, notes: list[str]) -> bytes:
    """The text without lines that repeat that of the names, which is from `begin` to `end`."""
    begin = end - len(text[begin:end].lstrip(b"\r\n"))
    names = text[begin:end].rstrip(b"\r\n")
    ending = text[begin + len(names) : end]
    if not names or b"\n" in names or not ending:
        return text
    count = text.count(ending + names + ending, end - len(ending))
    if not count:
        return text
    head, rest = text[: end - len(ending)], text[end - len(ending) :]
    while ending + names + ending in rest:
        rest = rest.replace(ending + names + ending, ending + ending)
    notes.append(f"{counted(count, 'line')} that {'repeats' if count == 1 else 'repeat'} the "
                 "columns' names left out")  # fmt: skip
    return head + rest


# Behind the rows --------------------------------------------------------------------------------

_TOTAL = re.compile(
    r"\W*(?:grand\s*|sub\s*-?|overall\s*)?(?:totals?|sum|summe|gesamt\w*|insgesamt|average|avg|mean|"
    r"mittelwert|durchschnitt|somme|moyenne|suma|promedio|totale|media|totaal|итого|всего|合計|总计)"
    r"\W*"
)


def without_blank_end(text: bytes, begin: int, separator: str, notes: list[str]) -> bytes:
    """The text without rows at its end of which no cell says anything."""
    full = len(text)
    while full > begin:
        chunk = text[max(begin, full - LOOK) : full]
        known = len(chunk.rstrip(b" \t\r\n" + separator.encode()))
        full -= len(chunk) - known
        if known:
            break
    end = text.find(b"\n", full)
    blank = text[end + 1 :]
    if end < begin or full <= begin or separator.encode() not in blank or not separator.strip():
        return text
    rows = sum(bool(line.strip()) for line in blank.splitlines())
    if rows < _FEWEST_BLANK:
        return text
    notes.append(f"{counted(rows, 'row')} without any value at the end left out")
    return text[: end + 1]


def without_footnotes(
    text: bytes, begin: int, columns: int, separator: str, merge: bool, notes: list[str]
) -> bytes:
    """The text without lines at its end that are a sentence and no row."""
    tail, records_of_tail = _tail(text, begin, separator, merge)
    cut, count = len(text), 0
    for at in range(len(records_of_tail) - 1, 0, -1):
        cells = records_of_tail[at][2]
        said = [cell for cell in cells if cell]
        if len(cells) >= columns or len(said) != 1 or _is_number(said[0]):
            break
        cut, count = tail + records_of_tail[at - 1][1], count + 1
    if not count or len(records_of_tail) - count < 2:
        return text
    first = records_of_tail[len(records_of_tail) - count][2]
    note = next(cell for cell in first if cell)
    notes.append(f"{counted(count, 'line')} behind the rows left out ('{note[:40]}')")
    return text[:cut]


def totals(
    text: bytes, begin: int, columns: int, separator: str, merge: bool
) -> tuple[int, list[list[str]]]:
    """Where rows at the end begin that may be totals, and their cells; see `are_totals`."""
    tail, found = _tail(text, begin, separator, merge)
    cut, rows = len(text), []
    for at in range(len(found) - 1, max(len(found) - 1 - _MOST_TOTALS, 1), -1):
        cells = found[at][2]
        if len(cells) < columns or not any(_TOTAL.fullmatch(cell.casefold()) for cell in cells):
            break
        cut = tail + found[at - 1][1]
        rows.append(cells)
    return cut, rows


def are_totals(rows: list[list[str]], cells: Any) -> bool:
    """Whether rows are sums or means of a table's columns: at least one of the numbers of each."""
    return all(any(_is_total(row[i], cells, i) for i in range(cells.columns)) for row in rows)


def _is_total(cell: str, cells: Any, column: int) -> bool:
    for one in (PLAIN, *SPELLINGS):
        total = float(one.numbers([cell])[0])
        if total != total or total == 0:
            continue
        read, numbers, _, _, texts, _ = cells.numbers(column, one.decimal, one.thousands, one.signs)
        if texts or not numbers:
            continue
        known = read[read == read]
        near = 1e-3 * abs(total)
        if abs(known.sum() - total) <= near or abs(known.mean() - total) <= near:
            return len(known) > 1
    return False


def _tail(text: bytes, begin: int, separator: str, merge: bool) -> tuple[int, list[Record]]:
    """The last records, and where what they are read from begins."""
    start = max(begin, len(text) - LOOK)
    if start > begin:
        start = text.find(b"\n", start) + 1
    tail = text[start:]
    if tail.count(b'"') % 2:  # it begins within a quoted cell
        return start, []
    return start, core.first_records(tail, 0, separator, merge, LOOK)
