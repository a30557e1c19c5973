"""Reading tables: each dialect gives the same columns; a bad file is refused with its place."""

import gc
import gzip
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from densecore.tabular.reader import (
    Column,
    Table,
    TableError,
    _of_text,
    counted,
    listed,
    read_table,
    table_of,
)
from densecore.tabular.text_files import read_text_table


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def texts(column: Column) -> list[str]:
    return [column.text(row) for row in range(len(column))]


def columns(path: str, separator: str | None = None) -> dict[str, list[str]]:
    table = read_table(path, separator)
    return {name: texts(table.column(name)) for name in table.names}


def one(folder: Path, *cells: str, separator: str = ",") -> Column:
    """The second column of a file with these cells."""
    body = "".join(f"{i}{separator}{cell}\n" for i, cell in enumerate(cells))
    return read_table(write(folder, f"k{separator}v\n{body}"), separator).column("v")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(tmp_path: Path, separator: str, end: str) -> None:
    lines = [["a b", "c"], ["1", "x"], ["2.5", "y z"]]
    text = end.join(separator.join(line) for line in lines) + end
    assert columns(write(tmp_path, text)) == {"a b": ["1", "2.5"], "c": ["x", "y z"]}


def test_blanks_separate_where_nothing_else_does(tmp_path: Path) -> None:
    path = write(tmp_path, "a  b\n 1 2.5\n10   3\n")
    assert columns(path) == {"a": ["1", "10"], "b": ["2.5", "3"]}
    path = write(tmp_path, "title\nthe sea\nthe moon\n")
    assert columns(path) == {"title": ["the sea", "the moon"]}


def test_a_chosen_separator_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path, "a:b\n1:2\n")
    assert columns(path, ":") == {"a": ["1"], "b": ["2"]}
    assert columns(path) == {"a:b": ["1:2"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("packed", ["", "gzip", "zip"])
def test_encodings_and_archives(tmp_path: Path, encoding: str, packed: str) -> None:
    raw = "größe,y\n1,ü\n2,a\n".encode(encoding)
    # Told by the contents, not by the name.
    path = tmp_path / "t.csv"
    if packed == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inner.csv", raw)
    else:
        path.write_bytes(gzip.compress(raw) if packed else raw)
    assert columns(str(path)) == {"größe": ["1", "2"], "y": ["ü", "a"]}


def test_text_that_is_no_utf8_is_read_as_windows_1252(tmp_path: Path) -> None:
    path = write(tmp_path, "größe,y\n1,€\n2,\x81\n".encode("latin-1", "replace"))
    assert list(columns(path)) == ["größe", "y"]
    assert "Windows-1252" in read_table(path).notes[0]


def test_quotes_blanks_and_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path, 'a, "b,""c"""\n\n"x\ny", 2 \n  \n3,4\n')
    table = read_table(path)
    assert columns(path) == {"a": ["x\ny", "3"], 'b,"c"': ["2", "4"]}
    # Lines of the file, though a value and blank lines lie between.
    assert table.column("a").where(0) == f"{path}: row 3, column 'a'"
    assert table.column("a").where(1) == f"{path}: row 6, column 'a'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2,\n3,4,\n", {"a": ["1", "3"], "b": ["2", "4"]}),
        ("a,b,\n1,2,\n3,4,\n", {"a": ["1", "3"], "b": ["2", "4"]}),
        ("sep=;\na;b\n1;2\n", {"a": ["1"], "b": ["2"]}),
        (
            "# made\n# by hand, twice, today\na,b\n1,2\n# so\n3,4\n",
            {"a": ["1", "3"], "b": ["2", "4"]},
        ),
        ("#a,b\n1,2\n", {"#a": ["1"], "b": ["2"]}),
        ('a,b\n"r1",1,2\n"r2",3,4\n', {"": ["r1", "r2"], "a": ["1", "3"], "b": ["2", "4"]}),
        ('a,b\n"big" one,2\nx"y,3\n', {"a": ["big one", 'x"y'], "b": ["2", "3"]}),
        ("a,a,a_2\n1,2,3\n", {"a": ["1"], "a_3": ["2"], "a_2": ["3"]}),
        ("a\n1\n2\n", {"a": ["1", "2"]}),
    ],
)
def test_dialects(tmp_path: Path, text: str, expected: dict[str, list[str]]) -> None:
    assert columns(write(tmp_path, text)) == expected


def test_lines_after_comments_keep_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "# made\n# twice\na,b\n1,2\n3,4\n")
    assert read_table(path).column("a").where(1) == f"{path}: row 5, column 'a'"
    path = write(tmp_path, "sep=;\na;b\n1;2\n")
    assert read_table(path).column("a").where(0) == f"{path}: row 3, column 'a'"


def test_tables_without_names(tmp_path: Path) -> None:
    path = write(tmp_path, "1.5,2.5\n3.5,4.5\n")
    assert "--no-header" in read_table(path).notes[0]
    table = read_table(path, header=False)
    assert {n: texts(table.column(n)) for n in table.names} == {
        "column_1": ["1.5", "3.5"],
        "column_2": ["2.5", "4.5"],
    }
    assert table.column("column_1").where(0).endswith("row 1, column 'column_1'")
    assert read_table(write(tmp_path, "2019,2020,name\n1,2,x\n")).notes == []


def test_texts_that_stand_for_missing_values(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n1,x\n-999,unknown\n2,y\n")
    table = read_table(path, missing_values=["-999", "unknown"])
    np.testing.assert_array_equal(table.column("a").numbers(), [1, np.nan, 2])
    np.testing.assert_array_equal(table.column("b").missing(), [False, True, False])


# Numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "separator", "expected"),
    [
        (["1", "-2e3", "+.5", "7."], ",", [1, -2000, 0.5, 7]),
        (["1,5", "2,25", "-3,0"], ";", [1.5, 2.25, -3]),
        (['"1,5"', '"2,25"'], ",", [1.5, 2.25]),
        (['"1,234"', '"12"', '"1,234,567.5"'], ",", [1234, 12, 1234567.5]),
        (["1.234,5", "12", "1.234.567"], ";", [1234.5, 12, 1234567]),
        (["1 234", "12", "1\u00a0234\u00a0567"], ",", [1234, 12, 1234567]),
        (["1'234", "12"], ",", [1234, 12]),
        (["$1", "$2.50", "-$3"], ",", [1, 2.5, -3]),
        (["10%", "2.5 %"], ",", [10, 2.5]),
        (["3 €", "4,50 €"], ";", [3, 4.5]),
        (["\u22125", "6"], ",", [-5, 6]),
        (["inf", "-Infinity", "1e400"], ",", [np.inf, -np.inf, np.inf]),
        (["0.1e400", "-12e400", "1e-400", "0e400"], ",", [np.inf, -np.inf, 0, 0]),
        (["12345678901234567890", "0.1", "4.9e-324"], ",", [12345678901234567890, 0.1, 4.9e-324]),
    ],
)
def test_spellings_of_numbers(
    tmp_path: Path, cells: list[str], separator: str, expected: list[float]
) -> None:
    column = one(tmp_path, *cells, separator=separator)
    assert column.kind == "numbers"
    np.testing.assert_array_equal(column.numbers(), expected)


def test_numbers_are_rounded_as_python_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = [str(v) for v in rng.normal(size=500) * 10.0 ** rng.integers(-300, 300, 500)]
    cells += [f"{v:.3f}" for v in rng.normal(size=500) * 1000]
    cells += ["9007199254740993", "1" * 40, "0." + "0" * 30 + "123456789012345678901", "1e-400"]
    np.testing.assert_array_equal(one(tmp_path, *cells).numbers(), [float(c) for c in cells])


def test_in_a_file_of_decimal_commas_points_stand_between_thousands(tmp_path: Path) -> None:
    path = write(tmp_path, "a;price\n1,5;1.234\n2,5;234\n3,5;12.500\n")
    np.testing.assert_array_equal(read_table(path).column("price").numbers(), [1234, 234, 12500])
    path = write(tmp_path, "a;price\n1,5;1.25\n2,5;234\n")  # not in groups of three
    np.testing.assert_array_equal(read_table(path).column("price").numbers(), [1.25, 234])


def test_columns_of_numbers_and_texts_are_texts(tmp_path: Path) -> None:
    for cells in (["1", "b"], ["1_000", "2"], ["1,5,2", "3"], ["12.34.56", "1"], ["0x10", "1"]):
        assert one(tmp_path, *[f'"{c}"' for c in cells]).kind == "texts", cells


@pytest.mark.parametrize(
    "marker",
    ["", "NA", "n/a", "#N/A", "<NA>", "-nan", "NaT", "#NA", "1.#QNAN", ".", "-", "?", "NULL"],
)
def test_markers_of_missing_numbers(tmp_path: Path, marker: str) -> None:
    column = one(tmp_path, "1", marker, "3")
    assert column.kind == "numbers"
    np.testing.assert_array_equal(column.missing(), [False, True, False])


@pytest.mark.parametrize("names", [["NA", "EU"], ["None", "Low"], ["Na", "K"], ["Nan", "Anna"]])
def test_in_a_column_of_texts_only_an_empty_cell_is_missing(
    tmp_path: Path, names: list[str]
) -> None:
    column = one(tmp_path, *names, "")
    assert column.kind == "texts"
    assert column.texts()[1] == names
    np.testing.assert_array_equal(column.missing(), [False, False, True])


def test_a_few_texts_among_numbers_are_missing(tmp_path: Path) -> None:
    column = one(tmp_path, *map(str, range(40)), "unknown")
    assert (column.kind, column.contents.strays) == ("numbers", 1)
    assert np.isnan(column.numbers()[40])
    assert column.first_text() == 40
    assert one(tmp_path, *["1", "2"] * 20, "unknown").kind == "texts"  # codes, rather


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2020-01-31", "1969-12-31"], ["2020-01-31", "1969-12-31"]),
        (["2020/01/31"], ["2020-01-31"]),
        (["31.01.2020", "01.02.2020"], ["2020-01-31", "2020-02-01"]),
        (["31/01/2020", "01/02/2020"], ["2020-01-31", "2020-02-01"]),
        (["01/31/2020", "02/01/2020"], ["2020-01-31", "2020-02-01"]),
        (["01/02/2020"], ["2020-01-02"]),
        (["31-Jan-2020", "1 February 2020"], ["2020-01-31", "2020-02-01"]),
        (["Jan 31, 2020"], ["2020-01-31"]),
        (
            ["2020-01-31 12:30", "2020-01-31T12:30:05.25Z"],
            ["2020-01-31T12:30", "2020-01-31T12:30:05.25"],
        ),
        (["2020-01-31T12:30:00+02:00"], ["2020-01-31T10:30"]),
        (["1/31/20 1:05 PM"], ["2020-01-31T13:05"]),
        (["23:59:30"], ["1970-01-01T23:59:30"]),
    ],
)
def test_dates_and_times(tmp_path: Path, cells: list[str], expected: list[str]) -> None:
    column = one(tmp_path, *[f'"{c}"' for c in cells], "NA")
    assert column.kind == "moments"
    wanted = np.array(expected, "datetime64[ms]").astype(np.int64) / 1000
    np.testing.assert_array_equal(column.numbers(), [*wanted, np.nan])


@pytest.mark.parametrize("cell", ["2020-13-01", "31.02.2020", "1-2", "2020-01-31 25:00", "12:60"])
def test_what_is_no_date_is_a_text(tmp_path: Path, cell: str) -> None:
    assert one(tmp_path, cell).kind == "texts"


# Size ------------------------------------------------------------------------------------------


def test_fields_of_any_length(tmp_path: Path) -> None:
    long = "x" * (1 << 22)
    assert columns(write(tmp_path, f"a,b\n1,{long}\n2,y\n"))["b"] == [long, "y"]


@pytest.mark.slow
def test_wide_tables_are_read_in_linear_time(tmp_path: Path) -> None:
    def seconds(width: int) -> float:
        names = ",".join(f"a_long_name_of_column_{i}" for i in range(width))
        path = write(tmp_path, names + "\n" + ("1," * (width - 1) + "1\n") * 5)
        start = time.perf_counter()
        table = read_table(path)
        assert all(column.kind == "numbers" for column in table)
        return time.perf_counter() - start

    small = min(seconds(2_000) for _ in range(3))
    assert min(seconds(20_000) for _ in range(3)) < 40 * small + 0.5


# Mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\t\n", "the file is empty"),
        (gzip.compress(b""), "the file is empty"),
        (b'""\n""', "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\xef\xbb\xbf\r\n", "the file is empty"),
        (b"a,b\n", "found column names but no rows"),
        (b"a,b\n1,2\n\n1\n", "row 4: found 1 value, wanted 2"),
        (b"a,b\n1,2\n3,4,5\n6,7\n", "row 3: found 3 values, wanted 2"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "row 3: a quote is opened and never closed"),
        (b"a\x00b,c\n1,2\n", "not a text file"),
        (b"a,b\n" + b"1,2\n" * 30000 + b"\x00,1\n", "not a text file"),
        (b"\x01\x02\xff\x03", "not a text file (byte 0xff)"),
        (b"\xff\xfea", "not UTF-16 text"),
        (b"\x1f\x8b123", "damaged gzip file"),
        (gzip.compress(b"a,b\n1,2\n" * 100)[:-9], "damaged gzip file"),
        (b"PK\x03\x04123", "damaged zip file"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_bad_files(tmp_path: Path, contents: bytes, message: str) -> None:
    path = write(tmp_path, contents)
    with pytest.raises(TableError) as error:
        read_table(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_random_bytes_never_do_more_than_refuse(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    refused = 0
    for kind in range(600):
        size = int(rng.integers(1, 300))
        if kind % 2:
            raw = rng.integers(0, 256, size, np.uint8).tobytes()
        else:  # text of the letters that matter
            raw = bytes(rng.choice(list(b",;\t|\"'\r\n ab1.#:-\xc3"), size).tolist())
        try:
            table = read_table(write(tmp_path, raw))
            for column in table:
                assert len(column.numbers()) == len(column.missing()) == len(table)
        except TableError:
            refused += 1
    assert refused > 200


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a directory, wanted a file"):
        read_table(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_table(tmp_path / "none.csv")


def test_unknown_columns_list_the_known_ones(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b\n1,2\n"))
    with pytest.raises(TableError, match=r"no column 'c'; known: a, b$"):
        table.column("c")


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(["a", "b", "c"], 2) == "a, b, … (1 more)"
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


# Frames ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_pandas_tables(tmp_path: Path, ending: str) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip({"parquet": "pyarrow", "xlsx": "openpyxl"}[ending])
    frame = pandas.DataFrame(
        {"n": [1.5, None, 3], "whole": [1, 2, 3], "text": ["a ", "NA", None], "yes": [True] * 3}
    )
    path = tmp_path / f"t.{ending}"
    (frame.to_parquet if ending == "parquet" else frame.to_excel)(path, index=False)
    table = read_table(path)
    np.testing.assert_array_equal(table.column("n").numbers(), [1.5, np.nan, 3])
    assert texts(table.column("whole")) == ["1", "2", "3"]
    assert texts(table.column("yes")) == ["True"] * 3
    if ending == "parquet":  # a null is a null there, and the text NA is a text
        assert texts(table.column("text")) == ["a", "NA", ""]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(TableError, match=f"not a readable .{ending} file") as error:
        read_table(path)
    assert "\n" not in str(error.value)


def test_frames_of_every_kind_are_the_same_table() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    data = {
        "f": [1.5, None, 3.0],
        "i": [1, 2, 3],
        "t": ["a", None, "b"],
        "b": [True, False, None],
        "d": np.array(["2020-01-01", "NaT", "2020-01-02T12:00"], "datetime64[us]"),
    }

    def seen(table: Table) -> list[tuple[str, str, list[float], list[bool]]]:
        return [
            (c.name, c.kind, np.nan_to_num(c.numbers(), nan=-1).tolist(), c.missing().tolist())
            for c in table
        ]

    first = seen(table_of(pandas.DataFrame(data)))
    assert [kind for _, kind, _, _ in first] == ["numbers", "numbers", "texts", "texts", "moments"]
    assert seen(table_of(polars.DataFrame(data))) == first
    nullable = pandas.DataFrame(data).convert_dtypes()
    assert seen(table_of(nullable)) == first
    categories = pandas.DataFrame(data).astype({"t": "category"})
    assert seen(table_of(categories)) == first


def test_arrays_have_names_by_number_or_given_ones() -> None:
    assert table_of(np.eye(3)).names == ["x0", "x1", "x2"]
    assert table_of(np.eye(2), ["a", "b"]).names == ["a", "b"]
    with pytest.raises(ValueError, match="1 dimensions, wanted"):
        table_of(np.zeros(3))
    with pytest.raises(ValueError, match="names: found 1, wanted 2"):
        table_of(np.eye(2), ["a"])


def test_whole_numbers_that_no_double_holds_stay_apart() -> None:
    table = table_of({"id": np.array([2**60 + 1, 2**60 + 2])})
    assert table.column("id").texts()[1] == [str(2**60 + 1), str(2**60 + 2)]


def test_without_the_files_text_numbers_stay_apart(tmp_path: Path) -> None:
    cells = ["0.1234567890123451", "0.1234567890123452", "1234567890123456"]
    table = read_table(write(tmp_path, "n\n" + "\n".join(cells) + "\n"))
    table.release()
    assert texts(table.column("n")) == cells


def test_the_files_text_is_let_go_of(tmp_path: Path) -> None:
    """Columns of texts kept it: half of a large table's memory."""
    path = write(tmp_path, "a,k,when\n" + "1,u,2020-01-01\n2,v,2020-01-02\n" * 20)
    read = read_text_table(str(path), None, True)
    table = _of_text(str(path), read)
    cells = [table.column(name).contents for name in table.names]
    before = sys.getrefcount(read.cells)
    table.release()
    gc.collect()
    after = sys.getrefcount(read.cells)
    assert after < before
    assert after == 2  # of `read`, and of the call
    assert [one.kind for one in cells] == ["numbers", "texts", "moments"]


def test_without_the_files_text_columns_say_the_same(tmp_path: Path) -> None:
    body = "".join(f"{i}.50,k{i % 3},2020-01-{i + 1:02d},\n" for i in range(9)) + ",,,\n"
    table = read_table(write(tmp_path, "number,word,date,nothing\n" + body))
    again = read_table(write(tmp_path, "number,word,date,nothing\n" + body))
    table.release()
    for name in table.names:
        assert table.column(name).kind == again.column(name).kind
        np.testing.assert_array_equal(table.column(name).missing(), again.column(name).missing())
        if again.column(name).contents.values is not None:
            np.testing.assert_array_equal(
                table.column(name).numbers(), again.column(name).numbers()
            )
    assert texts(table.column("word")) == texts(again.column("word"))
    assert texts(table.column("number"))[:2] == ["0.5", "1.5"]
    assert texts(table.column("number"))[-1] == ""
