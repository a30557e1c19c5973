"""From columns to arrays and back: scaling, categories, dates, classes, damaged files."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from densecore.tabular.columns import from_texts
from densecore.tabular.features import (
    MAX_CATEGORIES,
    CategoricalFeature,
    NumericFeature,
)
from densecore.tabular.folds import folds, held_out
from densecore.tabular.moments import MomentFeature
from densecore.tabular.preparation import ClassTarget, NumericTarget, Preparation
from densecore.tabular.problem import affordable_bins, problem_of
from densecore.tabular.reader import Column, Table, TableError
from densecore.tabular.scaling import robust_scale
from densecore.tabular.scores import (
    area_under_curve,
    best_power,
    class_scores,
    number_scores,
    sharpened,
)
from densecore.tabular.selection import is_classification, select
from densecore.tabular.surprises import Surprises

Array = np.ndarray[Any, np.dtype[Any]]


def make(**columns: list[str]) -> Table:
    """A table as if read from t.csv, whose rows start in line 2."""
    rows = len(next(iter(columns.values())))
    lines = range(2, rows + 2)
    made = [from_texts(name, "t.csv", lines, values, True) for name, values in columns.items()]
    return Table("t.csv", made, rows)


def column(*values: str) -> Column:
    return make(x=list(values)).column("x")


def everything(one: Column) -> Array:
    return np.arange(len(one))


def inputs(
    feature: Any, one: Column, bend: bool = True, seen: Surprises | None = None
) -> list[list[float]]:
    out = np.full((len(one), feature.width), np.nan)
    feature.transform(one, out, bend, Surprises() if seen is None else seen)
    return out.tolist()


# Numbers ---------------------------------------------------------------------------------------


def test_numbers_are_scaled_by_median_and_quartiles_of_the_training_rows() -> None:
    one = column("1", "2", "3", "4", "5", "1000")
    feature = NumericFeature.fit(one, np.arange(5))
    assert (feature.center, feature.scale, feature.indicator) == (3, 2, False)
    z = (np.array([1, 2, 3, 4, 5, 1000]) - 3) / 2
    np.testing.assert_allclose(np.ravel(inputs(feature, one, bend=False)), z)
    np.testing.assert_allclose(np.ravel(inputs(feature, one)), z / np.sqrt(1 + (z / 3) ** 2))


@pytest.mark.parametrize(
    ("values", "center", "scale"),
    [
        ([*[0] * 10, 4, 8], 0, 4),  # the quartiles are the same: of 0, 4 and 8
        ([7, 7, 7], 7, 1),
        ([], 0, 1),
        ([np.nan, np.inf, 3, 5], 4, 1),
        ([1e300, 1e300, -1e300], 1e300, 1e300),
        ([-1e308, 1e308], 0, 1e308),
    ],
)
def test_scales(values: list[float], center: float, scale: float) -> None:
    assert robust_scale(np.array(values, float)) == pytest.approx((center, scale))


def test_huge_values_are_bent_not_lost() -> None:
    feature = NumericFeature("x", 0, 1e-300)
    np.testing.assert_allclose(np.ravel(inputs(feature, column("1e300", "-1e300", "inf", "0"))),
                               [3, -3, 3, 0])  # fmt: skip


def test_a_missing_number_is_the_median_with_an_indicator() -> None:
    one = column("1", "NA", "3", "", "2")
    feature = NumericFeature.fit(one, everything(one))
    assert feature.indicator
    assert inputs(feature, one, bend=False) == [[-1, 0], [0, 1], [1, 0], [0, 1], [0, 0]]


def test_a_number_that_was_never_missing_is_counted_when_it_is() -> None:
    seen = Surprises()
    feature = NumericFeature("x", 5, 1)
    assert inputs(feature, column("5", "", "NA"), seen=seen) == [[0], [0], [0]]
    assert seen.sentence() == "column 'x': 2 missing numbers, of which the training data had none"


def test_bins_are_shares_of_the_way_between_quantiles_and_lines_go_on() -> None:
    one = column(*map(str, range(9)))
    feature = NumericFeature.fit(one, everything(one))
    feature.cut(one, everything(one), 4)
    assert feature.edges == [0, 2, 4, 6, 8]
    other = column("-5", "3", "8", "99")
    assert [row[1:] for row in inputs(feature, other)] == [
        [0, 0, 0, 0, -0.625], [1, 0.5, 0, 0, 0.375], [1, 1, 1, 1, 1], [1, 1, 1, 1, 2],
    ]  # fmt: skip
    amounts = column(*["0"] * 90, *map(str, range(1, 11)))
    feature.cut(amounts, everything(amounts), 4)
    assert feature.edges == [0, 4, 7, 10]  # not half of them for the zeros
    feature.cut(column("0", "0", "1", "1"), np.arange(4), 4)
    assert feature.edges == []  # one bin would be the number itself


def test_bins_stay_within_bounds() -> None:
    few = Preparation([NumericFeature("x", 0, 1)] * 10, ClassTarget("y", ["a", "b"]))
    assert affordable_bins(few, 1000, 32) == 32
    assert affordable_bins(few, 500_000, 32) == 8
    assert affordable_bins(few, 5_000_000, 32) == 0
    wide = Preparation([NumericFeature("x", 0, 1)] * 20_000, ClassTarget("y", ["a", "b"]))
    assert affordable_bins(wide, 100, 32) == 0


# Categories ------------------------------------------------------------------------------------


def test_categories_are_indicators() -> None:
    one = column("b", "a", "b", "c", "a", "c")
    feature = CategoricalFeature.fit(one, everything(one))
    assert (feature.categories, feature.other, feature.missing) == (["a", "b", "c"], False, False)
    assert inputs(feature, one)[:4] == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_two_categories_are_one_input() -> None:
    feature = CategoricalFeature.fit(column("no", "yes", "no"), np.arange(3))
    assert inputs(feature, column("yes", "no", "", "maybe", "Yes")) == [[1], [-1], [0], [0], [1]]


def test_missing_rare_and_unseen_categories_have_inputs() -> None:
    one = column("a", "a", "b", "b", "once", "", "")
    feature = CategoricalFeature.fit(one, everything(one))
    assert (feature.categories, feature.other, feature.missing) == (["a", "b"], True, True)
    seen = Surprises()
    assert inputs(feature, column("b", "once", "new", ""), seen=seen) == [
        [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1],
    ]  # fmt: skip
    assert seen.sentence() == ""


def test_unseen_categories_are_counted_where_there_is_no_input_for_them() -> None:
    feature = CategoricalFeature.fit(column("a", "b", "c", "a", "b", "c"), np.arange(6))
    seen = Surprises()
    assert inputs(feature, column("d", "d", ""), seen=seen) == [[0, 0, 0]] * 3
    assert "2 rows of categories that the training data had not ('d')" in seen.sentence()
    assert "1 missing values, of which the training data had none" in seen.sentence()


def test_the_commonest_categories_are_kept() -> None:
    names = [f"t{i:03d}" for i in range(MAX_CATEGORIES + 5)]
    one = column(*names * 2, "t104", "t104")
    feature = CategoricalFeature.fit(one, everything(one))
    assert len(feature.categories) == MAX_CATEGORIES
    assert "t104" in feature.categories
    assert feature.other


def test_spellings_of_a_category() -> None:
    feature = CategoricalFeature.fit(column("1", "2", "3", "1", "2", "3"), np.arange(6))
    assert inputs(feature, column("2.0", "02", "3.00")) == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    booleans = CategoricalFeature.fit(column("True", "false", "TRUE", "False"), np.arange(4))
    assert booleans.categories == ["false", "true"]
    assert inputs(booleans, column("true", "FALSE")) == [[1], [-1]]


# Dates -----------------------------------------------------------------------------------------


def test_dates_become_the_parts_that_vary() -> None:
    one = column("2020-01-01", "2020-07-01", "2021-01-01")
    feature = MomentFeature.fit(one, everything(one))
    assert (feature.parts, feature.width) == (["time", "year", "week"], 5)
    rows = np.array(inputs(feature, one))
    np.testing.assert_allclose(np.hypot(rows[:, 1], rows[:, 2]), 1)
    assert rows[0, 2] == pytest.approx(1, abs=0.01)  # cosine of the first of January
    assert rows[1, 2] == pytest.approx(-1, abs=0.01)
    hours = column("2020-01-01 06:00", "2020-01-01 18:00", "")
    feature = MomentFeature.fit(hours, everything(hours))
    assert (feature.parts, feature.indicator) == (["time", "day"], True)
    rows = np.array(inputs(feature, hours))
    np.testing.assert_allclose(rows[:, 1:], [[1, 0, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-9)


# Which columns ---------------------------------------------------------------------------------


def test_columns_of_no_use_are_left_out_with_the_reason() -> None:
    n = 60
    table = make(
        **{
            "": [str(i) for i in range(n)],
            "x": [str(i % 7) for i in range(n)],
            "again": [str(i % 7) for i in range(n)],
            "constant": ["5"] * n,
            "same": ["text"] * n,
            "empty": [""] * n,
            "customer_id": [str(1000 + 7 * (i * 37 % n)) for i in range(n)],
            "name": [f"person {i}" for i in range(n)],
            "count": [str(i) for i in range(n)],
            "y": [str(i * 0.5) for i in range(n)],
        }
    )
    chosen = select(table, np.arange(n), ["y"])
    assert [f.name for f in chosen.features] == ["x", "count"]
    assert chosen.left_out == {
        "": "row numbers",
        "again": "the same as 'x'",
        "constant": "constant (5)",
        "same": "constant ('text')",
        "empty": "no value at all",
        "customer_id": "an identifier: another number in every row",
        "name": "texts of their own in nearly every row (60 in 60 rows)",
    }


def test_a_table_without_a_usable_column_says_why() -> None:
    table = make(a=["1", "1"], y=["1", "2"])
    with pytest.raises(
        TableError, match=r"no usable column besides the target \('a': constant \(1"
    ):
        select(table, np.arange(2), ["y"])
    with pytest.raises(TableError, match="no column besides the target"):
        select(make(y=["1", "2"]), np.arange(2), ["y"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["yes", "no"], True),
        (["True", "False"], True),
        (["0", "1", "2"], True),
        (["0.0", "1.0"], True),
        (["0.5", "1.5", "2.5"], False),
        ([str(i) for i in range(30)], False),
        ([str(i) for i in range(15)], False),  # 15 different values in 60 rows
    ],
)
def test_the_task_is_told_by_the_target(values: list[str], expected: bool) -> None:
    one = column(*[values[i % len(values)] for i in range(60)])
    assert is_classification([one], None) is expected


# Targets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "classes", "labels"),
    [
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        (["10", "9", "2", "10", "9", "2"], ["2", "9", "10"], [2, 1, 0, 2, 1, 0]),
        (["1.0", "0", "1", "0.00"], ["0", "1"], [1, 0, 1, 0]),
        (["007", "7", "7", "007"], ["007", "7"], [0, 1, 1, 0]),
        (["1E3", "1000", "1000", "1E3"], ["1000", "1E3"], [1, 0, 0, 1]),
        (["-1", "1", ""], ["-1", "1"], [0, 1, -1]),
        (["None", "Low", "Low", "None"], ["Low", "None"], [1, 0, 0, 1]),
    ],
)
def test_classes_are_texts(values: list[str], classes: list[str], labels: list[int]) -> None:
    one = column(*values)
    target = ClassTarget.fit(one)
    assert target.classes == classes
    assert target.labels(one).tolist() == labels


def test_numbers_come_back_in_their_own_units_and_stay_in_the_range() -> None:
    table = make(y=["10", "20", "60", "7"], z=["-1", "0", "1", "1e6"])
    columns = [table.column("y"), table.column("z")]
    target = NumericTarget.fit(columns, np.arange(3), log=False)
    assert target.means == [30, 0]
    values = NumericTarget.values(columns)
    scaled = target.scale(values)
    np.testing.assert_allclose(scaled[:3].mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(scaled[:3].std(axis=0), 1)
    np.testing.assert_allclose(target.restore(scaled), [[10, -1], [20, 0], [60, 1], [10, 1]])


def test_logarithms_come_back_too() -> None:
    one = column("1", "10", "1000")
    target = NumericTarget.fit([one], np.arange(3), log=True)
    values = NumericTarget.values([one])
    np.testing.assert_allclose(target.restore(target.scale(values)), values, rtol=1e-12)


def test_what_a_target_must_not_be() -> None:
    x = ["1", "2", "3", "4", "5", "6"]
    for y, message in [
        (["a"] * 6, "one class only, 'a'"),
        ([f"t{i}" for i in range(6)], "6 classes in 6 rows"),
        ([""] * 6, "is missing in all rows"),
        (["2.5"] * 6, "is 2.5 in all rows"),
        (
            ["1.5", "2", "3", "4", "5", "inf"],
            "row 7, column 'y': found inf, wanted a finite number",
        ),
        (["1.5", "2", "3", "4", "5", "x"], "row 7, column 'y': found 'x', wanted a number"),
        (["1e308", "-1e308", "3", "4", "1.5", "6"], "too large to be scaled"),
    ]:
        with pytest.raises(TableError, match=message):
            problem_of(make(x=x, y=y), ["y"])


def test_rows_without_a_target_are_left_out_and_said() -> None:
    n = 20
    table = make(x=[str(i) for i in range(n)], y=["" if i == 3 else str(i * 1.5) for i in range(n)])
    problem = problem_of(table, ["y"])
    assert len(problem.x) == len(problem.y) == n - 1
    assert "1 row without a target left out" in problem.notes


def test_weights_groups_and_class_weights() -> None:
    table = make(
        x=list("123456"), w=["1", "0", "3", "1", "1", "0"], g=list("aabbcc"), y=list("uuuuvv")
    )
    problem = problem_of(table, ["y"], weight="w", group="g")
    assert problem.weight is not None
    assert problem.groups is not None
    np.testing.assert_allclose(problem.weight, np.array([1, 0, 3, 1, 1, 0]))
    assert problem.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert problem.left_out == {"w": "the weight", "g": "the group"}
    balanced = problem_of(table, ["y"], class_weight="balanced").weight
    np.testing.assert_allclose(balanced, [0.75] * 4 + [1.5] * 2)
    with pytest.raises(TableError, match=r"row 3, column 'w': found '-1', wanted a weight"):
        problem_of(make(x=list("12"), w=["1", "-1"], y=["1.5", "2"]), ["y"], weight="w")


# Parts of the rows -----------------------------------------------------------------------------


def test_every_row_is_in_one_fold_and_classes_are_spread() -> None:
    labels = np.array([0] * 50 + [1] * 10 + [2] * 5, np.int32)
    parts = folds(65, 5, 0, labels)
    assert sorted(np.concatenate(parts)) == list(range(65))
    for part in parts:
        assert np.bincount(labels[part], minlength=3).tolist() == [10, 2, 1]
    groups = (np.arange(65) // 4).astype(np.int32)
    for part in folds(65, 5, 0, labels, groups):
        assert not set(groups[part]) & set(groups[np.setdiff1d(np.arange(65), part)])


def test_a_class_of_one_row_is_not_held_out() -> None:
    labels = np.array([0] * 50 + [1] * 10 + [2] * 5 + [3], np.int32)
    part = held_out(66, 0.2, 0, labels)
    assert np.bincount(labels[part], minlength=4).tolist() == [10, 2, 1, 0]


# Scores ----------------------------------------------------------------------------------------


def test_scores_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for classes in (2, 4):
        p = rng.dirichlet(np.ones(classes), 300)
        y = np.array([rng.choice(classes, p=row) for row in p], np.int32)
        w = rng.uniform(0.5, 2, 300)
        found = class_scores(p, y, w)
        said = p.argmax(1)
        average = "binary" if classes == 2 else "macro"
        assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, said, sample_weight=w))
        assert found["log_loss"] == pytest.approx(metrics.log_loss(y, p, sample_weight=w))
        assert found["f1"] == pytest.approx(
            metrics.f1_score(y, said, average=average, sample_weight=w)
        )
        assert found["balanced_accuracy"] == pytest.approx(
            metrics.balanced_accuracy_score(y, said, sample_weight=w)
        )
        if classes == 2:
            assert found["auc"] == pytest.approx(metrics.roc_auc_score(y, p[:, 1], sample_weight=w))
    assert area_under_curve(np.zeros(4), np.array([1, 0, 1, 0], bool), np.ones(4)) == 0.5
    truth = rng.normal(size=50)
    guess = truth + rng.normal(size=50)
    found = number_scores(guess, truth)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, guess))
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, guess))


def test_rows_that_are_all_right_do_not_make_certain() -> None:
    p = np.tile([0.9, 0.1], (60, 1))
    assert sharpened(p, best_power(p, np.zeros(60, int)))[0, 0] < 1 - 1 / 200


def test_the_best_power_undoes_overconfidence() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), 4000)
    y = np.array([rng.choice(3, p=row) for row in p], np.int32)
    power = best_power(sharpened(p, 2.0), y)
    assert power == pytest.approx(0.5, rel=0.1)
    np.testing.assert_allclose(sharpened(sharpened(p, 2.0), 0.5), p, rtol=1e-9)


# The whole -------------------------------------------------------------------------------------


def example() -> tuple[Preparation, Table]:
    n = 12
    table = make(
        a=["" if i == 1 else str(i * i) for i in range(n)],
        b=["u", "v", "w"] * 4,
        d=[f"2020-{i + 1:02d}-15" for i in range(n)],
        y=[str(10.5 * i) for i in range(n)],
    )
    rows = np.arange(n)
    chosen = select(table, rows, ["y"])
    preparation = Preparation(
        chosen.features, NumericTarget.fit([table.column("y")], rows, log=False)
    )
    preparation.cut_numbers(table, rows, 3)
    return preparation, table


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inputs_stand_by_their_kind(dtype: str) -> None:
    """The number, its indicator, the categories, the date, the bins, the line."""
    preparation, table = example()
    x = preparation.transform(table, dtype)
    assert x.dtype == dtype
    assert x.flags.c_contiguous
    assert x.shape == (12, preparation.inputs) == (12, 5 + 3 + 5 + 1)
    np.testing.assert_array_equal(x[:2, 1:5], [[0, 1, 0, 0], [1, 0, 1, 0]])
    assert np.isfinite(x).all()
    assert (preparation.numbers, preparation.bins, preparation.lines) == (1, 3, 1)
    assert preparation.network_inputs == 13
    # Files of before have them feature by feature.
    data = preparation.to_dict() | {"version": 2}
    old = Preparation.from_dict(data, 14, 1).transform(table, dtype)
    np.testing.assert_array_equal(old, x[:, [0, 10, 11, 12, 1, 13, *range(2, 10)]])


def test_missing_columns_are_missing_values_where_the_model_knows_them() -> None:
    preparation, table = example()
    seen = Surprises()
    rest = Table("t.csv", [table.column("b"), table.column("d")], 12)
    x = preparation.transform(rest, "float64", seen)
    np.testing.assert_array_equal(x[:, 1], 1)  # the indicator
    assert seen.sentence() == "column 'a': 12 rows without the column, taken as missing"
    with pytest.raises(TableError, match=r"no column 'b', 'd', which the model needs; found: a$"):
        preparation.transform(Table("t.csv", [table.column("a")], 12), "float64")


def test_round_trip_through_json() -> None:
    preparation, table = example()
    text = json.dumps(preparation.to_dict(), allow_nan=False)
    again = Preparation.from_dict(json.loads(text), 14, 1)
    assert again == preparation
    np.testing.assert_array_equal(
        again.transform(table, "float64"), preparation.transform(table, "float64")
    )
    classes = Preparation(preparation.features, ClassTarget("y", ["a", "b"]))
    assert (
        Preparation.from_dict(json.loads(json.dumps(classes.to_dict())), 13, 2, lines=False)
        == classes
    )


VERSION_1 = {
    "version": 1,
    "features": [
        {"kind": "numeric", "name": "a", "mean": 3.0, "scale": 2.0, "fill": None},
        {"kind": "categorical", "name": "b", "categories": ["u", "v"]},
    ],
    "target": {"kind": "numbers", "names": ["y"], "means": [1.0], "scales": [2.0]},
    "bend": True,
}


def test_preparations_of_version_0_1_0_are_read() -> None:
    preparation = Preparation.from_dict(VERSION_1, 3, 1)
    x = preparation.transform(make(a=["3", "9", ""], b=["v", "u", "new"]), "float64")
    bent = 3 / np.sqrt(1 + (3 / 3) ** 2)
    np.testing.assert_allclose(x, [[0, 0, 1], [bent, 1, 0], [0, 0, 0]])
    assert isinstance(preparation.target, NumericTarget)
    np.testing.assert_array_equal(preparation.target.restore(np.array([[10.0]])), [[21]])


def damage(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda d: d.update(changes)


def damage_feature(number: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda d: d["features"][number].update(changes)


def damage_target(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda d: d["target"].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damage(version=4), "newer densecore"),
        (damage(version="1"), "found version '1', wanted"),
        (damage(version=True), "found version True, wanted"),
        (damage(version=0), "found version 0, wanted"),
        (damage(features=None), "damaged entry"),
        (damage(features=[]), "found 0 inputs"),
        (damage(features=[1]), "damaged entry"),
        (damage(bend=1), "found 1, wanted true or false"),
        (damage(target=[]), "damaged entry"),
        (damage(target={}), "damaged entry"),
        (damage_feature(0, kind="other"), "unknown kind of feature 'other'; known"),
        (damage_feature(0, kind=[]), "unknown kind of feature"),
        (damage_feature(0, name=3), "found 3, wanted text"),
        (damage_feature(0, center="0"), "found '0', wanted a finite number"),
        (damage_feature(0, center=float("nan")), "wanted a finite number"),
        (damage_feature(0, center=10**400), "wanted a finite number"),
        (damage_feature(0, scale=0), "found scale 0.0, wanted > 0"),
        (damage_feature(0, indicator=1), "found 1, wanted true or false"),
        (damage_feature(0, edges=[1]), "edges: wanted none"),
        (damage_feature(0, edges=[1, 1]), "edges: wanted none"),
        (damage_feature(0, edges=5), "damaged entry"),
        (damage_feature(1, name="a"), "'a' occurs twice"),
        (damage_feature(1, categories="uv"), "wanted a list of texts"),
        (damage_feature(1, categories=[]), "wanted a list of texts"),
        (damage_feature(1, categories=["u", "u"]), "occurs twice"),
        (damage_feature(1, single=True), "a single input wants two categories"),
        (
            damage_feature(1, categories=["u", "v", "w", "x"]),
            "found 15 inputs and 1 outputs, wanted",
        ),
        (damage_feature(2, parts=["time", "moon"]), "unknown part of a date 'moon'"),
        (damage_target(kind="other"), "unknown kind of target 'other'; known"),
        (damage_target(names=["y", "z"]), "differ in length"),
        (damage_target(means=3), "damaged entry"),
        (damage_target(means=[None]), "found None, wanted a finite number"),
        (damage_target(scales=[0]), "wanted > 0"),
        (damage_target(low=[2.0], high=[1.0]), "no range"),
        (damage_target(factor=-1), "wanted > 0"),
        (damage_target(kind="classes", name="y", classes=["a", "b"]), "2 outputs"),
        (damage_target(kind="classes", name="y", classes=["a", "a"]), "occurs twice"),
    ],
)
def test_damaged_entries_are_refused(
    change: Callable[[dict[str, Any]], None], message: str
) -> None:
    data = copy.deepcopy(example()[0].to_dict())
    change(data)
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Preparation.from_dict(data, 14, 1)


@pytest.mark.parametrize("data", [None, 3, "text", [], {}, [{}]])
def test_what_is_no_entry_at_all(data: Any) -> None:
    with pytest.raises(ValueError, match=r"damaged entry"):
        Preparation.from_dict(data, 3, 1)


def test_every_missing_key_is_refused() -> None:
    good = example()[0].to_dict()
    optional = {"low", "high", "log", "factor"}  # which version 0.1.0 did not have

    def holders(d: dict[str, Any]) -> list[dict[str, Any]]:
        return [d, d["target"], *d["features"]]

    for number, holder in enumerate(holders(good)):
        for key in holder.keys() - optional:
            data = copy.deepcopy(good)
            del holders(data)[number][key]
            with pytest.raises(ValueError, match="damaged entry"):
                Preparation.from_dict(data, 14, 1)
