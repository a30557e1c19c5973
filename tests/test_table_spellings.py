"""How cells may be spelled: units, dates and words. A row alone is read as in its table."""

import json
from pathlib import Path

import numpy as np
import pytest

from densecore.tabular import fit, load_table_model, problem_of, read_table, recipe_named
from densecore.tabular.columns import from_texts
from densecore.tabular.features import MomentFeature, NumericFeature, feature_from_dict
from densecore.tabular.readings import PLAIN, Reading, compact_dates
from densecore.tabular.scores import calibration_error
from densecore.tabular.targets import ClassTarget

RNG = np.random.default_rng(0)
N = 40
A = RNG.normal(size=N)
DAYS = np.datetime64("2021-01-01") + (RNG.permutation(N) * 9).astype("timedelta64[D]")


def column(*cells: str):
    return from_texts("c", "data.csv", range(2, len(cells) + 2), cells, True)


def grouped(value: float, decimal: str, thousands: str) -> str:
    text = f"{value:,.2f}".replace(",", "_").replace(".", decimal)
    return text.replace("_", thousands)


@pytest.mark.parametrize(
    ("spelled", "note"),
    [
        (lambda v: f"{v:.2f} kg", "numbers with the unit 'kg'"),
        (lambda v: f"{v:.2f}kg" if v > 0 else f"{v:.2f} Kg", "numbers with the unit 'kg'"),
        (lambda v: f"{v:.2f} km/h", "numbers with the unit 'km/h'"),
        (lambda v: f"{v:.2f} °C", "numbers with the unit '°c'"),
        (lambda v: f"{v:.2f} years" if v > 0 else f"{v:.2f} year", "the unit 'year'"),
        (lambda v: f"EUR {grouped(v, '.', ',')}", "numbers with the unit 'eur'"),
        (lambda v: f"{grouped(v, ',', '.')} EUR", "numbers with the unit 'eur'"),
        (lambda v: f"(${-v:.2f})" if v < 0 else f"${v:.2f}", "numbers with the unit '$'"),
        (lambda v: f"{v:_.2f}", "underlines"),
        (lambda v: f"({-v:.2f})" if v < 0 else f"{v:.2f}", "brackets"),
        (lambda v: f"{v:.2f} m" if v > 0 else f"{100 * v:.0f} cm", "'cm' is 0.01"),
        (lambda v: f"{v:.2f}" if v < 500 else f"{v / 1000:.5f}k", "'k' is 1000"),
        (lambda v: f"{v / 1e3:.5f}k" if v < 500 else f"{v / 1e6:.8f}M", "'m' is 1e+06"),
    ],
)
def test_numbers_with_units(spelled, note: str) -> None:
    values = np.round(1000 * A, 2)
    one = column(*map(spelled, values), "n/a")
    assert one.kind == "numbers"
    np.testing.assert_allclose(one.numbers(), [*values, np.nan], rtol=1e-9, atol=0.006)
    assert note in one.contents.style
    reading = one.contents.reading
    assert reading is not None
    # A row alone: nothing of its table is there to tell.
    for at in range(3):
        alone = column(spelled(values[at])).numbers_as(Reading.from_dict(reading.to_dict()))
        np.testing.assert_array_equal(alone, one.numbers()[at : at + 1])


def test_a_few_cells_without_a_number_are_missing() -> None:
    cells = [f"{v:.3f} bhp" for v in A] + ["null bhp"]
    one = column(*cells)
    assert (one.kind, one.contents.strays, one.first_text()) == ("numbers", 1, N)


@pytest.mark.parametrize(
    "cells",
    [
        [f"{i % 3 + 1}0 months" for i in range(N)],  # categories, rather
        [f"Q{i}" for i in range(N)],
        [f"SKU{i}" for i in range(N)],
        [f"{i} {'ABCDEFGH'[i % 8]}x" for i in range(N)],
        [f"{i}{'abc'[i % 3]}" for i in range(N)],
        [f"{i} {'kg' if i % 2 else 'cm'}" for i in range(N)],  # no multiples of each other
        [f"2021_{i % 12 + 1:02d}_{i % 28 + 1:02d}" for i in range(N)],
        [f"192.168.0.{i}" for i in range(N)],
        [f"(555) 123 {4000 + i}" for i in range(N)],
        [f"1.{i}.3 beta" for i in range(N)],
        [f"{i}-{50 - i}" for i in range(N)],
        [f"555-{1000 + 170 * i}" for i in range(N)],
    ],
)
def test_what_is_no_number_with_a_unit(cells: list[str]) -> None:
    assert column(*cells).kind == "texts"


def test_metres_beside_bare_numbers_are_no_millions() -> None:
    one = column(*(f"{v:.3f} m" if v > 0 else f"{v:.3f}" for v in A))
    np.testing.assert_array_equal(one.numbers(), np.round(A, 3))


def test_a_zero_stands_before_a_decimal_comma() -> None:
    """0,110 and 1,234 in one column: no number of thousands begins with 0."""
    np.testing.assert_array_equal(column("0,110", "1,234", "-0,500").numbers(), [0.11, 1.234, -0.5])
    np.testing.assert_array_equal(column("1,110", "1,234").numbers(), [1110, 1234])


@pytest.mark.parametrize("dash", ["–", "—", "−"])
def test_a_dash_is_a_missing_number(dash: str) -> None:
    one = column("1", dash, "3")
    np.testing.assert_array_equal(one.numbers(), [1, np.nan, 3])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2021-03", "1999/12"], ["2021-03-01", "1999-12-01"]),
        (["March 2021", "Dec 1999"], ["2021-03-01", "1999-12-01"]),
        (["20141013T000000", "20150225T1530"], ["2014-10-13", "2015-02-25T15:30"]),
    ],
)
def test_months_and_compact_moments(cells: list[str], expected: list[str]) -> None:
    one = column(*cells)
    assert one.kind == "moments"
    wanted = np.array(expected, "datetime64[s]").astype(np.int64)
    np.testing.assert_array_equal(one.numbers(), wanted)


@pytest.mark.parametrize("cell", ["2021-13", "20141313T000000", "March 20211", "1234-5678"])
def test_what_is_no_month(cell: str) -> None:
    assert column(cell).kind == "texts"


def test_numbers_that_spell_days_are_dates() -> None:
    numbers = [int(str(day).replace("-", "")) for day in DAYS]
    seconds = DAYS.astype("datetime64[s]").astype(np.float64)
    np.testing.assert_array_equal(compact_dates(np.array([*numbers, 20210229, np.nan, 7.5])),
                                  [*seconds, np.nan, np.nan, np.nan])  # fmt: skip
    table = {"when": numbers, "size": [20210000 + i for i in range(N)], "y": A}
    features = problem_of(table_of(table), ["y"]).preparation.features
    assert isinstance(features[0], MomentFeature)
    assert features[0].order == "compact"
    assert isinstance(features[1], NumericFeature)  # 20210039 is no day
    assert feature_from_dict(features[0].to_dict(), 2) == features[0]


def table_of(columns):
    from densecore.tabular import table_of as made

    return made({name: np.asarray(values) for name, values in columns.items()})


ALONE = {
    "day first": (",", lambda i: str(DAYS[i].astype(object).strftime("%d/%m/%Y"))),
    "month first": (",", lambda i: str(DAYS[i].astype(object).strftime("%m-%d-%Y"))),
    "compact": (",", lambda i: str(DAYS[i]).replace("-", "")),
    "decimal commas": (",", lambda i: '"' + f"{A[i]:.3f}".replace(".", ",") + '"'),
    "points between thousands": (";", lambda i: grouped(5000 + 1e4 * A[i], ",", ".")),
    "units": (",", lambda i: f"{A[i]:.2f} m" if i % 2 else f"{100 * A[i]:.1f} cm"),
    "percent": (",", lambda i: f"{A[i]:.2f}%" if i % 2 else f"{A[i]:.2f} %"),
}


@pytest.mark.parametrize("spelling", ALONE)
def test_a_row_alone_is_what_it_is_in_its_table(spelling: str, tmp_path: Path) -> None:
    separator, cell = ALONE[spelling]
    lines = [separator.join(["c", "g", "y"])]
    lines += [separator.join([cell(i), "uv"[i % 2], f"{i % 7}.5"]) for i in range(N)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    table = read_table(path)
    recipe = recipe_named("quick").with_options(epochs=1, hidden=(4,))
    problem = problem_of(table, ["y"], task="regression", bins=4)
    fit(problem, recipe, 0, linear=False).model.save(tmp_path / "m.safetensors")
    model = load_table_model(tmp_path / "m.safetensors")
    together = model.preparation.transform(table, "float64")
    for i in range(0, N, 5):
        path.write_text("\n".join([lines[0], lines[i + 1]]))
        alone = model.preparation.transform(read_table(path), "float64")
        np.testing.assert_array_equal(alone[0], together[i])


def test_words_of_different_capital_letters_are_one() -> None:
    cells = ["Good", "good", "GOOD", "Bad", "bad", "good"]
    one = column(*cells)
    target = ClassTarget.fit(one)
    assert target.classes == ["Bad", "good"]
    assert target.labels(one).tolist() == [1, 1, 1, 0, 0, 1]
    one = column(*cells * 2)
    one.exact = True
    assert ClassTarget.fit(one).classes == sorted(set(cells))
    short = column(*["a", "A", "Co", "CO"] * 2)
    assert ClassTarget.fit(short).classes == ["A", "CO", "Co", "a"]
    problem = problem_of(table_of({"c": cells * 4, "y": A[:24]}), ["y"])
    assert [feature.width for feature in problem.preparation.features] == [1]
    assert any("one category, such as 'Good' and 'GOOD'" in note for note in problem.notes)


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["1", "true", "True", "0", "false", "0"], ["false", "True"]),
        (["ja", "Ja", "nein", "Nein ", "ja"], ["Nein", "ja"]),
        (["yes", "no", "Yes", "yes"], ["no", "yes"]),
        (["1", "0", "1"], ["0", "1"]),
    ],
)
def test_booleans_in_several_spellings(cells: list[str], classes: list[str]) -> None:
    one = column(*cells * 4)
    target = ClassTarget.fit(one)
    assert target.classes == classes
    labels = target.labels(one)
    assert set(labels) == {0, 1}
    true = [cell.strip().lower() in ("1", "true", "ja", "yes") for cell in cells * 4]
    assert (labels == np.array(true)).all()


def test_labels_of_a_program_are_told_apart() -> None:
    pytest.importorskip("sklearn")
    from densecore.tabular import TabularClassifier

    y = np.array(["Good", "good"])[(A > 0).astype(int)]
    model = TabularClassifier("quick", epochs=1, random_state=0).fit(A[:, None], y)
    assert model.classes_.tolist() == ["Good", "good"]


def test_rows_without_weight_say_nothing_of_ranges() -> None:
    weight = np.arange(N) % 2
    y = np.where(weight > 0, A, 1e6)
    x = np.where(weight > 0, A, -1e6)
    problem = problem_of(table_of({"x": x, "w": weight, "y": y}), ["y"], weight="w", bins=4)
    target, feature = problem.preparation.target, problem.preparation.features[0]
    assert target.high == [A[1::2].max()]
    assert feature.edges[0] == A[1::2].min()
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9]])
    labels = np.array([0, 0], np.int32)
    assert calibration_error(probabilities, labels, np.array([1.0, 0.0])) == pytest.approx(0.1)


def test_damaged_readings_are_refused() -> None:
    good = Reading(",", ".", True, (("kg", 1.0),)).to_dict()
    assert Reading.from_dict(json.loads(json.dumps(good))).to_dict() == good
    assert Reading.from_dict(PLAIN.to_dict()) == PLAIN
    for change in ({"decimal": ";"}, {"thousands": 3}, {"signs": 1}, {"units": {"kg": 0}}):
        with pytest.raises(ValueError, match=r"found|unknown"):
            Reading.from_dict(good | change)
