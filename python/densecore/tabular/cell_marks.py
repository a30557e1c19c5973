"""What programs write around a cell so that another program takes it as they mean it: Excel's
apostrophe and formulas of texts, and digits of other scripts."""

import re

from .layout import LOOK

_SEPARATORS = rb",;\t|\n\r"
_NUMBER = rb"[-+]?[.,]?\d[\d.,]*(?:[eE][-+]?\d+)?"
# ="007", as it is or as a quoted cell of a CSV file.
_FORMULA = re.compile(rb'(?:(?<=[' + _SEPARATORS + rb'])|^)(?:="([^"\n]*)"|"=""([^"\n]*)""")'
                      rb'(?=[ ]*(?:[' + _SEPARATORS + rb']|\Z))')  # fmt: skip
# '1.5 is the number as a text.
_APOSTROPHE = re.compile(rb"(?:(?<=[" + _SEPARATORS + rb'])|^)("?)\'(?=' + _NUMBER + rb'"?(?:['
                         + _SEPARATORS + rb"]|\Z))")  # fmt: skip
# Full-width digits, those of Arabic and Persian, and the marks that stand among them.
_OTHER_DIGITS = re.compile("[０-９٠-٩۰-۹]")
_RUNS = re.compile("[－−+＋-]?[０-９٠-٩۰-۹][０-９٠-٩۰-۹．，٫٬.,]*")
_ASCII = {ord(c): str(i) for digits in ("０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹")
          for i, c in enumerate(digits)} | {
    ord("．"): ".", ord("，"): ",", ord("٫"): ".", ord("٬"): "", ord("－"): "-", ord("＋"): "+"
}  # fmt: skip


def without_marks(text: bytes) -> bytes:
    """UTF-8 text whose cells have lost such marks."""
    look = text[:LOOK]
    if b'="' in look or b'"=""' in look:
        text = _FORMULA.sub(lambda found: b'"' + (found[1] or found[2] or b"") + b'"', text)
    if b"'" in look and _APOSTROPHE.search(look):
        text = _APOSTROPHE.sub(rb"\1", text)
    return text


def with_plain_digits(text: bytes, notes: list[str]) -> bytes:
    """UTF-8 text with the digits 0 to 9 in place of those of other scripts."""
    if not any(lead in text for lead in (b"\xef\xbc", b"\xd9", b"\xdb")):
        return text
    words = text.decode("utf-8")
    if not _OTHER_DIGITS.search(words):
        return text
    notes.append("digits of other scripts read as 0 to 9")
    return _RUNS.sub(lambda found: found[0].translate(_ASCII), words).encode()
