"""Tables whose columns begin at the same place in every line, with nothing but blanks between."""

from .._base import core
from .layout import LOOK

_FEWEST_ROWS = 5


def as_tabs(text: bytes, notes: list[str]) -> bytes | None:
    """UTF-8 text with tabs between the columns, line by line; None when it has no such columns.

    Columns are divided where all lines have a blank, and the first line, which names them, has a
    word on either side. At least one of them is numbers.
    """
    known = _lines(text[:LOOK])
    if len(text) > LOOK:
        known.pop()  # it may go on
    if len(known) <= _FEWEST_ROWS or any("\t" in line for line in known):
        return None
    spans = _spans(known)
    if len(spans) < 2:
        return None
    rows = [_cut(line, spans) for line in known[1:]]
    if not any(_is_numeric([row[i] for row in rows]) for i in range(len(spans))):
        return None
    lines = text.decode("utf-8").splitlines()
    if any(_straddles(line, spans) for line in lines):
        return None
    notes.append(f"{len(spans)} columns of fixed width")
    made = ["\t".join(_cut(line, spans)) if line.strip() else "" for line in lines]
    return "\n".join(made).encode() + b"\n"


def _lines(text: bytes) -> list[str]:
    """The lines that are not blank, of a part of a text."""
    return [line for line in text.decode("utf-8", "ignore").splitlines() if line.strip()]


def _spans(lines: list[str]) -> list[tuple[int, int]]:
    """Where columns begin, and where the next ones do."""
    width = max(map(len, lines))
    filled = [any(i < len(line) and line[i] != " " for line in lines) for i in range(width)]
    begins = [i for i in range(width) if filled[i] and not (i and filled[i - 1])]
    spans = list(zip(begins, [*begins[1:], width], strict=True))
    # A word without a name above it is part of a text: of the next column's, if that ends at the
    # same place in all lines, else of the one before.
    kept: list[tuple[int, int]] = []
    waiting: int | None = None
    for at, (first, last) in enumerate(spans):
        if lines[0][first:last].strip():
            kept.append((first if waiting is None else waiting, last))
            waiting = None
        elif any(_ends_together(lines, *span) for span in spans[at + 1 : at + 2]):
            waiting = first if waiting is None else waiting
        elif kept:
            kept[-1] = kept[-1][0], last
        else:
            kept.append((first, last))
    named = [kept[0]] if kept else []
    for first, last in kept[1:]:
        before = named[-1]
        if all(not line[before[0] : before[1]].strip() for line in lines[1:]):
            named[-1] = before[0], last  # a name of two words over one column
        else:
            named.append((first, last))
    return named


def _ends_together(lines: list[str], first: int, last: int) -> bool:
    ends = {len(line[:last].rstrip()) for line in lines if line[first:last].strip()}
    return len(ends) == 1


def _cut(line: str, spans: list[tuple[int, int]]) -> list[str]:
    return [line[first:last].strip() for first, last in spans]


def _straddles(line: str, spans: list[tuple[int, int]]) -> bool:
    """Whether a word reaches from one column into the next."""
    return any(line[first - 1 : first].strip() and line[first : first + 1].strip()
               for first, _ in spans[1:])  # fmt: skip


def _is_numeric(cells: list[str]) -> bool:
    said = [cell for cell in cells if cell]
    return bool(said) and all(core.parse_number(cell) is not None for cell in said)
