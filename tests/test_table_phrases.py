"""Numbers that are written as phrases, and texts that hold several numbers or JSON."""

import time
from pathlib import Path

import numpy as np
import pytest

from densecore.tabular import fit, load_table_model, problem_of, read_table, recipe_named, table_of
from densecore.tabular.columns import from_texts
from densecore.tabular.quantities import phrase
from densecore.tabular.readings import Reading

N = 60
RNG = np.random.default_rng(5)
A = RNG.normal(size=N)
MINUTES = (5 + np.arange(N) * 7) % 200
ANGLES = np.round(40 * A, 4)


def column(*cells: str):
    return from_texts("c", "data.csv", range(2, len(cells) + 2), list(cells), True)


def hours(minutes: int) -> str:
    h, m = divmod(minutes, 60)
    return f"{h}h {m}m" if h and m else f"{h}h" if h else f"{m}m"


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ([f"<{2 + i / 9:.1f}" if i % 4 == 0 else f"{2 + i / 9:.1f}" for i in range(N)],
         [round(2 + i / 9, 1) for i in range(N)]),
        ([f"> {i}" if i % 2 else f"≤ {i}" for i in range(N)], range(N)),
        ([f"{i}-{i + 10}" if i % 3 else f"{i} to {i + 10}" for i in range(N)],
         [i + 5 for i in range(N)]),
        ([f"${i}k - ${i + 10}k" for i in range(20, 20 + N)], [i + 5 for i in range(20, 20 + N)]),
        ([f"{i}+" if i % 2 else f"{i} and over" for i in range(N)], range(N)),
        ([["~{}", "ca. {}", "about {}", "{} ± 0.5"][i % 4].format(i) for i in range(N)], range(N)),
        ([hours(int(m)) for m in MINUTES], 60 * MINUTES),
        ([f"{m // 60} hours {m % 60} minutes" for m in MINUTES], 60 * MINUTES),
        ([f"PT{m // 60}H{m % 60}M" for m in MINUTES], 60 * MINUTES),
        ([f"{m // 60}h{m % 60:02d}" for m in MINUTES], 60 * MINUTES),
        ([f"{abs(a):.4f}° {'N' if a >= 0 else 'S'}" for a in ANGLES], ANGLES),
        ([f"{abs(a):.4f}{'E' if a >= 0 else 'W'}" for a in ANGLES], ANGLES),
        ([f"{'N' if a >= 0 else 'S'} {abs(a):.4f}" for a in ANGLES], ANGLES),
        ([f"{i}°30'36\"{'N' if i % 2 else 'S'}" for i in range(N)],
         [(i + 0.51) * (1 if i % 2 else -1) for i in range(N)]),
        ([f"{5 + i // 12}'{i % 12}\"" for i in range(N)], [60 + i for i in range(N)]),
        ([f"{i // 14} st {i % 14} lb" for i in range(N)], [16 * i for i in range(N)]),
        ([f"{i // 8} {i % 8}/8" if i >= 8 and i % 8 else f"{i}/8" for i in range(N)],
         [i / 8 for i in range(N)]),
        ([f"{i} out of 100" for i in range(N)], [i / 100 for i in range(N)]),
        ([f"{abs(a):.2f}{'-' if a < 0 else ''}" for a in A], np.round(A, 2)),
        ([f"{i},{i:02d},{i:03d}" for i in range(10, 10 + N)],
         [i * 100_000 + i * 1000 + i for i in range(10, 10 + N)]),
        ([f"{i} percent" if i % 2 else f"{i} %" for i in range(N)], range(N)),
        ([f"{i / 100:.2f}" if i % 2 else f"{i}%" for i in range(N)], [i / 100 for i in range(N)]),
    ],
)  # fmt: skip
def test_phrases_are_numbers(cells: list[str], values) -> None:
    one = column(*cells, "n/a")
    assert one.kind == "numbers"
    assert one.contents.strays == 0
    np.testing.assert_allclose(one.numbers(), [*values, np.nan], rtol=1e-12, atol=1e-12)
    reading = one.contents.reading
    assert reading is not None
    assert one.contents.style
    for at in range(4):  # a row alone
        alone = column(cells[at]).numbers_as(Reading.from_dict(reading.to_dict()))
        np.testing.assert_array_equal(alone, one.numbers()[at : at + 1])


@pytest.mark.parametrize(
    "cells",
    [
        [f"{300 - i}-{i}" for i in range(N)],  # results, house numbers
        [f"12-{3000 + 17 * i}" for i in range(N)],  # part numbers
        [f"E{i}" for i in range(N)],
        [f"n{i}" for i in range(N)],
        [f"{i}S" if i % 2 else f"{i}W" for i in range(N)],
        [f"{i} of them" if i % 2 else f"all {i}" for i in range(N)],
        [f"{1000 + i}/{17 + i}" for i in range(N)],
        [f"{i}d {i}kg" for i in range(N)],
    ],
)
def test_what_is_no_phrase(cells: list[str]) -> None:
    assert column(*cells).kind == "texts"


@pytest.mark.parametrize("text", ["", "(0.2)", "±", "<", "about", "1h 1h", "P", "-", "½", "9" * 70])
def test_odd_texts_are_no_phrases(text: str) -> None:
    found = phrase(text)
    assert found is None or found.kind == "fraction"


def test_long_texts_are_read_at_once() -> None:
    """A comma between terms that may belong to the next number: 2^19 ways to read it."""
    begin = time.perf_counter()
    for text in ("1h," * 19 + "x", "1h " * 19 + "x", "1'1\"" * 12, "1 1/2 " * 9, "1," * 29 + "x"):
        assert phrase(text) is None
    assert time.perf_counter() - begin < 0.5


def test_limits_among_numbers_are_not_missing() -> None:
    """Fewer than a stray's share: they had been taken as missing without need."""
    one = column(*(f"{i}.5" for i in range(99)), "<0.1")
    assert one.numbers()[-1] == 0.1
    assert one.contents.strays == 0
    one = column(*(f"{i}.5" for i in range(99)), "unknown")
    assert np.isnan(one.numbers()[-1])
    assert one.contents.strays == 1


def test_a_few_other_texts_among_dates_are_missing() -> None:
    one = column(*(f"2021-03-{1 + i % 28:02d}" for i in range(99)), "unknown")
    assert (one.kind, one.contents.strays, one.first_text()) == ("moments", 1, 99)
    assert np.isnan(one.numbers()[-1])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["05jan2020", "31DEC1999"], ["2020-01-05", "1999-12-31"]),
        (["03/2021", "12/1999"], ["2021-03-01", "1999-12-01"]),
        (["2021/03/01 3:45:10 PM GMT+1", "2021/12/01 11:00:00 AM GMT-10"],
         ["2021-03-01T14:45:10", "2021-12-01T21:00:00"]),
        ([".a", "05jan2020"], ["NaT", "2020-01-05"]),
    ],
)  # fmt: skip
def test_dates_of_other_programs(cells: list[str], expected: list[str]) -> None:
    one = column(*cells)
    assert one.kind == "moments"
    wanted = np.array(expected, "datetime64[s]")
    values = np.where(np.isnat(wanted), np.nan, wanted.astype(np.int64))
    np.testing.assert_array_equal(one.numbers(), values)


def spoken(rows: range) -> dict[str, list[str]]:
    i = np.arange(N)
    return {
        "pressure": [f"{110 + 7 * k % 40}/{70 + 3 * k % 25}" for k in i[rows]],
        "ip": [f"10.{k % 7}.3.{k * 13 % 40}" for k in i[rows]],
        "meta": [f'{{"v": {A[k]:.3f}, "of": {{"kind": "{"ab"[k % 2]}"}}}}' for k in i[rows]],
        "code": [f"AB-{k:04d}" for k in i[rows]],
        "y": [f"{A[k] + 7 * k % 40 / 9:.3f}" for k in i[rows]],
    }


def test_numbers_and_json_within_texts(tmp_path: Path) -> None:
    import csv

    def written(name: str, rows: range) -> str:
        with open(tmp_path / name, "w", newline="") as file:
            writer = csv.writer(file)
            cells = spoken(rows)
            writer.writerow(cells)
            writer.writerows(zip(*cells.values(), strict=True))
        return str(tmp_path / name)

    problem = problem_of(read_table(written("a.csv", range(N))), ["y"], bins=8)
    names = [feature.name for feature in problem.preparation.features]
    assert names == ["pressure[1]", "pressure[2]", "ip[2]", "ip[4]", "meta.v", "meta.of.kind"]
    assert list(problem.left_out) == ["code"]
    assert "column 'pressure': its texts hold 'pressure[1]', 'pressure[2]'" in problem.notes
    made = fit(problem, recipe_named("quick").with_options(epochs=2), 0).model
    made.save(str(tmp_path / "m.safetensors"))
    model = load_table_model(str(tmp_path / "m.safetensors"))
    whole = model.outputs(table_of(str(tmp_path / "a.csv")))
    for at in (0, 5):  # a row alone finds its columns, too
        alone = model.outputs(table_of(written("one.csv", range(at, at + 1))))
        np.testing.assert_array_equal(alone, whole[at : at + 1])
