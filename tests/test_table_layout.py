"""Files of tables as programs and people leave them: what stands around the rows."""

import bz2
import io
import json
import lzma
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from densecore.cli import main
from densecore.tabular import TableError, problem_of, read_table

ROWS = [(f"{i}.5", f"{2 * i}", "ab"[i % 2]) for i in range(30)]
BODY = "".join(",".join(row) + "\n" for row in ROWS)
SQL = "+------+----+---+\n| x    | z  | k |\n+------+----+---+\n"


def read(tmp_path: Path, text: str | bytes, name: str = "t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(str(path))


def check(table, names: tuple[str, ...] = ("x", "z", "k"), rows: int = 30) -> None:
    assert (tuple(table.names), len(table)) == (names, rows)
    np.testing.assert_array_equal(table.column(names[0]).numbers(), np.arange(rows) + 0.5)
    np.testing.assert_array_equal(table.column(names[1]).numbers(), 2 * np.arange(rows))


def piped(before: str = "", after: str = "") -> str:
    return "".join(before + " | ".join(row) + after + "\n" for row in ROWS)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (SQL + piped("| ", " |") + "+------+----+---+\n30 rows in set (0.00 sec)\n", "dashes"),
        ("  x  | z | k\n-----+---+---\n" + piped(" ") + "(30 rows)\n", "'(30 rows)'"),
        ("| x | z | k |\n|---|--:|:--|\n" + piped("| ", " |"), "lines of dashes left out"),
        ("┌───┬───┬───┐\n│ x │ z │ k │\n├───┼───┼───┤\n" + piped("│ ", " │").replace("|", "│")
         + "└───┴───┴───┘\n", "lines of dashes left out"),
        ("List of stock   01.02.2021\n\n" + "-" * 20 + "\n|x|z|k|\n" + "-" * 20 + "\n"
         + piped("|", "|") + "-" * 20 + "\n", "1 line before the columns' names left out"),
        ("Report\nmade: today\n\nx,z,k\n" + BODY, "2 lines before the columns' names left out"),
        ("Report;;\nmade:;today;\nx;z;k\n" + BODY.replace(",", ";"), "2 lines before"),
        ("Group,,\nx,z,k\n" + BODY, "1 line before the columns' names left out"),
        ("x,z,k\n[m],(s),-\n" + BODY, "row 2 left out, which says units ([m], (s), -)"),
        ("x,z,k\nm,s,\n" + BODY, "row 2 left out, which says units (m, s)"),
        ("x,z,k\n" + BODY[:40] + "x,z,k\n" + BODY[40:], "1 line that repeats the columns' names"),
        ("x,z,k\r\nx,z,k\r\n" + BODY.replace("\n", "\r\n"), "1 line that repeats"),
        ("x,z,k\n" + BODY + "\nSource: a book\n", "1 line behind the rows left out ('Source"),
        ("x,z,k\n" + BODY + ",,\n" * 500, "500 rows without any value at the end left out"),
        ("x,z,k\n" + BODY + "450,870,Total\n", "1 row of totals at the end left out"),
        ("k,x,z\n" + "".join(f"{k},{x},{z}\n" for x, z, k in ROWS) + "Mean,15,29\nSum,450,870\n",
         "2 rows of totals"),
    ],
)  # fmt: skip
def test_what_stands_around_a_table(tmp_path: Path, text: str, note: str) -> None:
    table = read(tmp_path, text)
    if table.names[0] == "k":
        assert len(table) == 30
        assert table.column("z").kind == "numbers"
    else:
        check(table)
    assert any(note in said for said in table.notes), table.notes


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("x,z,k\n" + BODY + "1.5,2,Total\n", ["x", "z", "k"], 31),  # no sum of the rows
        ("k\nwell, 1\nyes, 2\n", ["", "k"], 2),  # row names, as R writes them
        ("a,b\n1,2\na,c\n", ["a", "b"], 2),
        ("k,name\nx,y\nz,w\nu,v\n", ["k", "name"], 3),  # texts are no units
        ("x,z\n1,2\n3,4\n,\n", ["x", "z"], 3),  # a row of which nothing is known
        ("a,,\n1,2,3\n4,5,6\n", ["a", "", "_2"], 2),
        ("a\n--\n1\n", ["a"], 2),
        ("x;z\n1,5;2,5\n3,5;4,5\n5,5;6,5\n7,5;8,5\n", ["x", "z"], 4),  # numbers are no units
        ("x;z\n1,5 kg;2,5 kg\n3,5 kg;4,5 kg\n5,5 kg;6,5 kg\n7,5 kg;8,5 kg\n", ["x", "z"], 4),
        ("x,z,k\n<1,2,a\n3,4,b\n5,6,c\n7,8,d\n", ["x", "z", "k"], 4),
        ("x,z\nlow,high\n3,4\n5,6\n7,8\n", ["x", "z"], 4),
    ],
)
def test_what_belongs_to_a_table(tmp_path: Path, text: str, names, rows: int) -> None:
    table = read(tmp_path, text)
    assert (table.names, len(table)) == (names, rows)


def test_rows_keep_their_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, "Report\n\nx,z\n[m],[s]\n" + "1,2\n" * 3 + "x,z\n3,4\n")
    assert table.column("x").where(3) == f"{tmp_path / 't.csv'}: row 9, column 'x'"


def test_packed_files_and_the_standard_input(tmp_path: Path, monkeypatch) -> None:
    raw = ("x,z,k\n" + BODY).encode()
    check(read(tmp_path, bz2.compress(raw), "t.csv.bz2"))
    check(read(tmp_path, lzma.compress(raw), "t.csv.xz"))
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("t.csv", raw)
        archive.writestr("__MACOSX/._t.csv", b"\x00")
    check(read_table(tmp_path / "t.zip"))
    for damaged in (bz2.compress(raw)[:-9], lzma.compress(raw)[:-9]):
        with pytest.raises(TableError, match="damaged"):
            read(tmp_path, damaged)
    check(read(tmp_path, raw.replace(b"x,z,k", b"BZh,z,k")), ("BZh", "z", "k"))
    with pytest.raises(TableError, match="wanted it unpacked"):
        read(tmp_path, b"\x28\xb5\x2f\xfd123")
    with pytest.raises(TableError, match=r"found a \.pkl file, wanted CSV, JSON"):
        read(tmp_path, raw, "t.pkl")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    check(read_table("-"))


OBJECTS = [{"x": float(x), "z": int(z), "k": k} for x, z, k in ROWS]
FORMS = {
    "records": OBJECTS,
    "columns": {name: [row[name] for row in OBJECTS] for name in "xzk"},
    "index": {name: {str(i): row[name] for i, row in enumerate(OBJECTS)} for name in "xzk"},
    "split": {"columns": ["x", "z", "k"], "data": [list(row.values()) for row in OBJECTS]},
    "table": {"schema": {}, "data": OBJECTS},
    "lists": [["x", "z", "k"], *(list(row.values()) for row in OBJECTS)],
}


@pytest.mark.parametrize("form", FORMS)
def test_json(tmp_path: Path, form: str) -> None:
    check(read(tmp_path, json.dumps(FORMS[form]), "t.json"))


def test_json_of_lines_and_within(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in OBJECTS)
    check(read(tmp_path, lines, "t.jsonl"))
    check(read(tmp_path, bz2.compress(lines.encode()), "t.json.bz2"))
    within = [
        {"a": {"b": i, "c": None if i else "x"}, "when": f"2021-01-0{i + 1}"} for i in range(4)
    ]
    table = read(tmp_path, json.dumps(within), "t.json")
    assert table.names == ["a.b", "a.c", "when"]
    assert table.column("when").kind == "moments"
    assert list(table.column("a.c").missing()) == [False, True, True, True]
    for wrong in (
        "{",
        "[]",
        "3",
        "[1, 2]",
        '{"a": 1}',
        "[" * 100_000,
        '{"a": [1], "b": [1, 2]}',
        "[{}]",
    ):
        with pytest.raises(TableError, match=r"t\.json: "):
            read(tmp_path, wrong, "t.json")


def test_spreadsheets_with_titles_and_sheets(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("openpyxl")
    frame = pandas.DataFrame(OBJECTS)
    path = str(tmp_path / "t.xlsx")
    with pandas.ExcelWriter(path) as book:
        pandas.DataFrame({"about": ["this"]}).to_excel(book, sheet_name="read me", index=False)
        frame.to_excel(book, sheet_name="data", startrow=3, index=False)
        book.sheets["data"]["A1"] = "Stock"
    table = read_table(path)
    check(table)
    assert table.notes == [
        "sheet 'data' of 'read me', 'data'", "3 rows above the columns' names left out"
    ]  # fmt: skip


def test_files_of_other_programs(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(OBJECTS)
    frame.to_stata(tmp_path / "t.dta", write_index=False)
    check(read_table(tmp_path / "t.dta"))
    pytest.importorskip("pyarrow")
    frame.to_feather(tmp_path / "t.feather")
    check(read_table(tmp_path / "t.feather"))
    (tmp_path / "u.feather").write_bytes(b"no such file")
    with pytest.raises(TableError, match=r"not a readable \.feather file"):
        read_table(tmp_path / "u.feather")


def with_lines(*lines: tuple[int, str], rows: int = 200) -> str:
    """A file whose lines of these numbers are others."""
    made = ["x,z,k", *(f"{i}.5,{2 * i},{'ab'[i % 2]}" for i in range(rows))]
    for number, text in lines:
        made[number - 1] = text
    return "\n".join(made) + "\n"


def test_a_few_rows_of_too_few_or_too_many_values(tmp_path: Path) -> None:
    text = with_lines((4, "2.5,4"), (9, "7.5"), (90, "88.5,1,76,a"), (101, "99.5,198,a,,"))
    table = read(tmp_path, text)
    assert table.notes == [
        "2 rows of too few values: those not there count as missing (rows 4, 9)",
        "1 row of too many values: all count as missing (row 90; a separator within a text wants "
        "quotes)",
    ]
    x, z = table.column("x").numbers(), table.column("z").numbers()
    assert len(table) == 200
    np.testing.assert_array_equal(x[[2, 7, 88, 99]], [2.5, 7.5, np.nan, 99.5])
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(z)), [7, 88])
    np.testing.assert_array_equal(np.flatnonzero(table.column("k").missing()), [2, 7, 88])
    assert table.column("x").where(198).endswith("row 200, column 'x'")


def test_rows_of_blanks_that_lack_a_value_say_nothing(tmp_path: Path) -> None:
    """Which column the value is missing in cannot be told."""
    lines = with_lines().replace(",", " ").splitlines()
    lines[150] = "149.5 b"
    table = read(tmp_path, "\n".join(lines) + "\n")
    assert table.notes == ["1 row of too few values: all count as missing (row 151)"]
    assert table.column("x").missing().sum() == 1


def test_many_rows_of_other_lengths_are_another_format(tmp_path: Path) -> None:
    few = [(10 + i, "1.5,2") for i in range(4)]
    assert read(tmp_path, with_lines(*few)).notes
    with pytest.raises(TableError, match="row 8: found 4 values, wanted 3 as in the first row"):
        read(tmp_path, with_lines((8, "1,2,3,4"), *few))


def test_predictions_of_rows_of_other_lengths(tmp_path: Path, capsys) -> None:
    """Each row has an answer, and what was missing is said."""
    data, new, model = tmp_path / "t.csv", tmp_path / "new.csv", str(tmp_path / "m")
    data.write_text(with_lines((90, "88.5,1,76,a")))
    train = ["train", str(data), "--target", "z", "--recipe", "quick", "--epochs", "1"]
    assert main([*train, "--save", model]) == 0
    printed = capsys.readouterr().out
    assert "note: 1 row of too many values: all count as missing (row 90;" in printed
    assert "note: 1 row without a target left out" in printed
    new.write_text(with_lines((50, "1.5,2,3,a"), (60, "1.5")))
    assert main(["predict", model, str(new)]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 201
    assert "1 row of too many values: all count as missing (row 50" in printed.err
    assert "1 row of too few values: those not there count as missing (row 60)" in printed.err


def test_cells_merged_over_rows(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["sizes of things", None, None])
    sheet.append(["k", "x", "z"])
    for i in range(30):
        sheet.append(["ab"[i >= 20] if i in (0, 20) else None, i + 0.5, 2 * i])
    for cells in ("A1:C1", "A3:A22", "A23:A32"):
        sheet.merge_cells(cells)
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.names == ["k", "x", "z"]
    assert [table.column("k").text(i) for i in (0, 19, 20, 29)] == ["a", "a", "b", "b"]
    np.testing.assert_array_equal(table.column("z").numbers(), 2.0 * np.arange(30))
    assert "2 cells merged over rows: each of the rows has the value" in table.notes


def test_merged_cells_of_text_files_are_told(tmp_path: Path) -> None:
    """A text file does not say which cells were merged, so nothing is filled in."""
    rows = [f"{'ab'[i // 20] if i % 20 == 0 else ''},{i % 7},{i}\n" for i in range(40)]
    (tmp_path / "t.csv").write_text("k,x,z\n" + "".join(rows))
    problem = problem_of(read_table(tmp_path / "t.csv"), ["z"])
    wanted = "column 'k': 2 of 40 rows have a text, each another"
    assert any(note.startswith(wanted) for note in problem.notes)


CELLS = [("x", "z", "k"), *ROWS]
XML = """<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>
<Workbook xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
<Worksheet ss:Name="a"><Table>{}</Table></Worksheet></Workbook>"""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<html><body><p>Report</p><table>" + "".join(
            "<tr>" + "".join(f"<td> {c}&nbsp;</td>" for c in row) + "</tr>\n" for row in CELLS)
         + "</table></body></html>", "t.xls"),
        ("<!DOCTYPE html><table><tr><td>a<td>1</table><TABLE>" + "".join(
            "<TR><TH>" + "<TD>".join(row) for row in CELLS) + "</TABLE>", "t.html"),
        (XML.format("".join("<Row>" + "".join(f"<Cell><Data ss:Type='String'>{c}</Data></Cell>"
                                              for c in row) + "</Row>" for row in CELLS)), "t.xls"),
        ("\n".join("\t".join(row) for row in CELLS), "t.xls"),
        ("% by hand\n@RELATION 'a b'\n\n@attribute x real\n@ATTRIBUTE 'z' numeric % sizes\n"
         "@attribute \"k\" {a,b}\n@data\n% the rows\n"
         + "".join(f"{x}, {z},'{k}'\n" for x, z, k in ROWS), "t.arff"),
    ],
    ids=["html", "html without ends", "xml", "text", "arff"],
)  # fmt: skip
def test_formats_of_words(tmp_path: Path, text: str, name: str) -> None:
    table = read(tmp_path, text, name)
    check(table)
    assert table.column("k").texts()[1] == ["a", "b"]


def test_html_cells_of_several_rows_and_columns(tmp_path: Path) -> None:
    text = (
        "<table><tr><th colspan=2>size</th><th>k</th></tr>"
        "<tr><td>1</td><td rowspan='2'>5</td><td rowspan=3>a</td></tr><tr><td>2</td></tr>"
        "<tr><td>3</td><td>6<br>m</td></tr></table>"
    )
    table = read(tmp_path, text, "t.html")
    assert table.names == ["size", "size_2", "k"]
    assert [table.column("size").text(i) for i in range(3)] == ["1", "2", "3"]
    assert [table.column("size_2").text(i) for i in range(3)] == ["5", "5", "6 m"]
    assert [table.column("k").text(i) for i in range(3)] == ["a", "a", "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html><p>no table</p></html>", "found HTML without a table of several rows"),
        (
            "@relation a\n@attribute x real\n@data\n",
            "found an ARFF file without",
        ),
        ("@relation a\n@attribute x real\n@data\n{0 1}\n", "found an ARFF file of sparse rows"),
    ],
)
def test_bad_formats_of_words(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(tmp_path, text)


def test_marks_that_programs_write_around_cells(tmp_path: Path) -> None:
    lines = [f'\'{x},="{z}","=""{k}0"""\n' for x, z, k in ROWS]
    table = read(tmp_path, "x,z,k\n" + "".join(lines))
    check(table)
    assert table.column("k").texts()[1] == ["a0", "b0"]
    # An apostrophe before a word, or around a cell, is part of it.
    table = read(tmp_path, "x,y\n" + "'t,'1'\n'n,'2'\n" * 9)
    assert table.column("x").texts()[1] == ["'t", "'n"]
    assert table.column("y").texts()[1] == ["'1'", "'2'"]


@pytest.mark.parametrize("digits", ["０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"])
def test_digits_of_other_scripts(tmp_path: Path, digits: str) -> None:
    body = BODY.translate({ord(str(i)): digit for i, digit in enumerate(digits)})
    table = read(tmp_path, "x,z,k\n" + (body.replace(".", "٫") if digits[0] != "０" else body))
    check(table)
    assert table.notes == ["digits of other scripts read as 0 to 9"]


def test_utf32_and_files_put_together(tmp_path: Path) -> None:
    check(read(tmp_path, ("x,z,k\n" + BODY).encode("utf-32")))
    half = BODY.index("15.5")
    text = "\ufeffx,z,k\n" + BODY[:half] + "\ufeffx,z,k\n" + BODY[half:]
    check(read(tmp_path, text))
