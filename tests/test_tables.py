"""Reading tables: each dialect gives the same columns; a bad file is refused with its place."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from densecore.tabular.reader import TableError, counted, listed, read_table


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def columns(path: str, separator: str | None = None) -> dict[str, list[str]]:
    table = read_table(path, separator)
    return {name: list(table.column(name).values) for name in table.names}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(tmp_path: Path, separator: str, end: str) -> None:
    lines = [["a b", "c"], ["1", "x"], ["2.5", "y z"]]
    text = end.join(separator.join(line) for line in lines) + end
    assert columns(write(tmp_path, text)) == {"a b": ["1", "2.5"], "c": ["x", "y z"]}


@pytest.mark.parametrize(
    "text",
    [
        "a;b\n1,5;2,25\n-3,0;4\n",  # as many commas as semicolons
        "a;b;c\n1,5;2,5;3,5\n1,5;2,5;3,5\n",
        'a;b\n"1,5";2,5\n',
    ],
)
def test_decimal_commas(tmp_path: Path, text: str) -> None:
    table = read_table(write(tmp_path, text))
    assert table.names == text.split("\n")[0].split(";")
    assert table.column("a").numbers()[0] == 1.5


def test_commas_in_texts_stay(tmp_path: Path) -> None:
    path = write(tmp_path, "who;x;when\nMiller, J;1,5;1,2,3\n")
    assert columns(path) == {"who": ["Miller, J"], "x": ["1.5"], "when": ["1,2,3"]}


def test_a_comma_that_separates_is_no_decimal_mark(tmp_path: Path) -> None:
    assert columns(write(tmp_path, 'a,b\n"1,5",2\n')) == {"a": ["1,5"], "b": ["2"]}


def test_a_single_column_needs_no_separator(tmp_path: Path) -> None:
    assert columns(write(tmp_path, "a\n1\n2\n")) == {"a": ["1", "2"]}


def test_a_chosen_separator_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path, "a b\n1 2\n")
    assert columns(path, " ") == {"a": ["1"], "b": ["2"]}
    assert columns(path) == {"a b": ["1 2"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_gzip(tmp_path: Path, encoding: str, packed: bool) -> None:
    raw = "größe,y\n1,ü\n".encode(encoding)
    # Told by the contents, not by the name.
    path = write(tmp_path, gzip.compress(raw) if packed else raw)
    assert columns(path) == {"größe": ["1"], "y": ["ü"]}


def test_quotes_blanks_and_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path, 'a, "b,""c"""\n\n"x\ny", 2 \n  \n3,4\n')
    table = read_table(path)
    assert columns(path) == {"a": ["x\ny", "3"], 'b,"c"': ["2", "4"]}
    # Lines of the file, though a value and blank lines lie between.
    assert [table.line(row) for row in range(len(table))] == [3, 6]
    assert table.column("a").where(1) == f"{path}: row 6, column 'a'"


def test_wide_tables(tmp_path: Path) -> None:
    names = [f"a_long_name_of_column_{i}" for i in range(3000)]
    path = write(tmp_path, ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    assert len(read_table(path).names) == 3000


def test_numbers_and_missing_values(tmp_path: Path) -> None:
    cells = ["1", "-2e3", "TRUE", "False", "NA", "nan", "", "N/A", "null", "abc", "1_000", "inf"]
    column = read_table(write(tmp_path, "k,v\n" + "".join(f"0,{c}\n" for c in cells))).column("v")
    nan = np.nan
    expected = [1, -2000, 1, 0, nan, nan, nan, nan, nan, nan, nan, np.inf]
    np.testing.assert_array_equal(column.numbers(), expected)
    np.testing.assert_array_equal(column.missing(), [False] * 4 + [True] * 5 + [False] * 3)


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
        (b"a,a\n1,2\n", "row 1: the column name 'a' occurs twice"),
        (b"a, a\n1,2\n", "row 1: the column name 'a' occurs twice"),
        (b"a,,c\n1,2,3\n", "row 1: column 2 has no name"),
        (b"a,b\n1,2\n\n1\n", "row 4: found 1 value, wanted 2"),
        (b"a,b\n1,2,\n", "row 2: found 3 values, wanted 2"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "row 3: unexpected end of data"),
        (b'a,b\n1,"2"3\n', "row 2: "),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", "row 2: field larger"),
        (b"a,b\n1,2\n1,\xe9\n", "row 3: not UTF-8 text (byte 0xe9)"),
        (b"a\x00b,c\n1,2\n", "not a text file"),
        (b"a,b\n" + b"1,2\n" * 3000 + b"\x00,1\n", "not a text file"),
        (b"\xff\xfea", "not UTF-16 text"),
        (b"\x1f\x8b123", "damaged gzip file"),
        (gzip.compress(b"a,b\n1,2\n" * 100)[:-9], "damaged gzip file"),
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
    for kind in range(400):
        size = int(rng.integers(1, 300))
        if kind % 2:
            raw = rng.integers(0, 256, size, np.uint8).tobytes()
        else:  # text of the letters that matter
            raw = bytes(rng.choice(list(b",;\t|\"'\r\n ab1.\xc3"), size).tolist())
        try:
            read_table(write(tmp_path, raw))
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


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_pandas_tables(tmp_path: Path, ending: str) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip({"parquet": "pyarrow", "xlsx": "openpyxl"}[ending])
    frame = pandas.DataFrame(
        {"n": [1.5, None, 3], "whole": [1, 2, 3], "text": ["a ", "b", None], "yes": [True] * 3}
    )
    path = tmp_path / f"t.{ending}"
    (frame.to_parquet if ending == "parquet" else frame.to_excel)(path, index=False)
    found = columns(str(path))
    assert found == {
        "n": ["1.5", "", "3.0" if ending == "parquet" else found["n"][2]],
        "whole": ["1", "2", "3"],
        "text": ["a", "b", ""],
        "yes": ["True"] * 3,
    }
    assert float(found["n"][2]) == 3
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(TableError, match=f"not a readable .{ending} file") as error:
        read_table(path)
    assert "\n" not in str(error.value)
