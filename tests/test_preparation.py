"""From columns to arrays and back: scaling, categories, classes, and what damaged files say."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from densecore.tabular.preparation import (
    MAX_CATEGORIES,
    CategoricalFeature,
    ClassTarget,
    NumericFeature,
    NumericTarget,
    Preparation,
    fit_feature,
    numbers,
    refuse_overflow,
)
from densecore.tabular.reader import Column, Table, TableError

Rows = np.ndarray[Any, np.dtype[np.intp]]


def make(**columns: list[str]) -> Table:
    """A table as if read from t.csv, whose rows start in line 2."""
    rows = len(next(iter(columns.values())))
    return Table("t.csv", list(columns), list(columns.values()), range(2, rows + 2))


def column(*values: str) -> Column:
    return make(x=list(values)).column("x")


def all_rows(one: Column) -> Rows:
    return np.arange(len(one.values))


def example() -> tuple[Preparation, Table]:
    table = make(a=["1", "2", "6"], b=["u", "v", "u"], y=["10", "20", "60"])
    rows = np.arange(3)
    features = [fit_feature(table.column(n), rows, False, False) for n in ("a", "b")]
    return Preparation(features, NumericTarget.fit([table.column("y")], rows)), table


# Features --------------------------------------------------------------------------------------


def test_scaling_is_learnt_from_the_training_rows_only() -> None:
    one = column("1", "3", "1000", "5")
    feature = NumericFeature.fit(one, np.array([0, 1, 3]), False)
    assert feature.mean == 3
    assert feature.scale == pytest.approx(np.sqrt(8 / 3), rel=1e-15)
    expected = (np.array([1, 3, 1000, 5]) - 3) / np.sqrt(8 / 3)
    np.testing.assert_allclose(feature.transform(one)[:, 0], expected, rtol=1e-15)


def test_numbers_are_bent_unless_the_model_is_linear() -> None:
    table = make(x=["1", "3", "1000", "5"])
    feature = NumericFeature("x", 3, 2, None)
    straight = np.array([-1, 0, 498.5, 1])
    target = NumericTarget(["y"], [0], [1])
    bent = Preparation([feature], target).transform(table, np.dtype(np.float64))
    np.testing.assert_allclose(bent[:, 0], straight / np.sqrt(1 + (straight / 3) ** 2), rtol=1e-14)
    assert abs(bent).max() <= 3
    linear = Preparation([feature], target, bend=False)
    np.testing.assert_array_equal(
        linear.transform(table, np.dtype(np.float64))[:, 0], straight, strict=True
    )
    np.testing.assert_array_equal(linear.linear_inputs(table)[:, 0], straight)


@pytest.mark.parametrize("value", ["0", "5", "0.1", "1e30", "-1e-30", "1e300"])
def test_constants_have_scale_1(value: str) -> None:
    one = column(*[value] * 7)
    feature = NumericFeature.fit(one, all_rows(one), False)
    assert feature.scale == 1
    np.testing.assert_allclose(feature.transform(one), 0, atol=1e-9 * abs(float(value)) + 1e-12)


def test_what_differs_by_rounding_only_is_constant() -> None:
    one = column("1", "1.0000000000000002", "1")
    assert NumericFeature.fit(one, all_rows(one), False).scale == 1


def test_small_spreads_are_no_constants() -> None:
    one = column("1000000", "1000001", "1000002")
    assert NumericFeature.fit(one, all_rows(one), False).scale == pytest.approx(np.sqrt(2 / 3))


def test_huge_values_are_bent_not_lost() -> None:
    feature = NumericFeature("x", 0, 1e-300, None)
    preparation = Preparation([feature], NumericTarget(["y"], [0], [1]))
    values = preparation.transform(make(x=["1e300", "-1e300", "0"]), np.dtype(np.float64))
    np.testing.assert_allclose(values.ravel(), [3, -3, 0])


def test_missing_values_become_the_training_mean() -> None:
    one = column("1", "NA", "3", "", "100")
    feature = NumericFeature.fit(one, np.array([0, 1, 2]), True)
    assert feature.fill == 2
    assert feature.mean == 2
    assert feature.transform(one)[1] == feature.transform(one)[3] == 0
    with pytest.raises(TableError, match=r"row 3, column 'x': the value is missing \(2 in the col"):
        NumericFeature.fit(one, all_rows(one), False)
    with pytest.raises(TableError, match="'x' has no value in the training part"):
        NumericFeature.fit(one, np.array([1, 3]), True)


def test_booleans_are_0_and_1() -> None:
    np.testing.assert_array_equal(numbers(column("true", "False", "TRUE"), None, False), [1, 0, 1])


def test_categories_are_indicators() -> None:
    one = column("b", "a", "b", "c")
    feature = CategoricalFeature.fit(one)
    assert feature.categories == ["a", "b", "c"]
    np.testing.assert_array_equal(
        feature.transform(one), [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    )
    with pytest.raises(TableError, match=r"row 2, column 'x': found 'd', .* known: a, b, c"):
        feature.transform(column("d"))
    with pytest.raises(TableError, match=r"row 3, column 'x': the value .* such as 'unknown': -"):
        feature.transform(column("a", "NA"))


def test_too_many_categories_are_refused() -> None:
    enough = column(*[f"t{i}" for i in range(MAX_CATEGORIES)])
    assert CategoricalFeature.fit(enough).width == MAX_CATEGORIES
    with pytest.raises(TableError, match=r"101 different texts.* --ignore x"):
        CategoricalFeature.fit(column(*[f"t{i}" for i in range(MAX_CATEGORIES + 1)]))


def test_the_kind_of_a_feature() -> None:
    def kind(one: Column, categorical: bool = False) -> str:
        feature = fit_feature(one, all_rows(one), False, categorical)
        return str(feature.to_dict()["kind"])

    assert kind(column("1", "2.5")) == "numeric"
    assert kind(column("true", "false")) == "numeric"
    assert kind(column("a", "b")) == "categorical"
    assert kind(column("1", "2"), categorical=True) == "categorical"
    with pytest.raises(TableError, match=r"row 3.*found 'b', wanted a number \(--categorical x"):
        kind(column("1", "b"))


# Targets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "classes", "labels"),
    [
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        (["10", "9", "2"], ["2", "9", "10"], [2, 1, 0]),
        (["1.0", "0", "1", "0.00"], ["0", "1"], [1, 0, 1, 0]),  # one number is one class
        (["True", "FALSE", "true"], ["FALSE", "True"], [1, 0, 1]),
        (["1", "1.0", "one"], ["1", "1.0", "one"], [0, 1, 2]),  # texts are as they are
        (["-1", "1"], ["-1", "1"], [0, 1]),
    ],
)
def test_classes(values: list[str], classes: list[str], labels: list[int]) -> None:
    one = column(*values)
    target = ClassTarget.fit(one)
    assert target.classes == classes
    np.testing.assert_array_equal(target.labels(one), labels)


def test_numeric_targets_come_back_in_their_own_units() -> None:
    table = make(y=["10", "20", "60", "7"], z=["-1", "0", "1", "1e6"])
    columns = [table.column("y"), table.column("z")]
    target = NumericTarget.fit(columns, np.arange(3))
    assert target.means == [30, 0]
    values = NumericTarget.values(columns)
    scaled = target.scale(values)
    np.testing.assert_allclose(scaled[:3].mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(scaled[:3].std(axis=0), 1)
    np.testing.assert_allclose(target.restore(scaled), values, rtol=1e-12)


def test_what_a_target_must_not_be() -> None:
    with pytest.raises(TableError, match="one class only, 'a'"):
        ClassTarget.fit(column("a", "a"))
    with pytest.raises(TableError, match=r"one class only, '1'"):
        ClassTarget.fit(column("1", "1.0"))
    for fit in (ClassTarget.fit, lambda c: NumericTarget.fit([c], all_rows(c))):
        with pytest.raises(TableError, match=r"row 3.* is missing; a target must be known"):
            fit(column("1", ""))
    with pytest.raises(TableError, match=r"found 'a', wanted a number .--task classification"):
        NumericTarget.fit([column("1", "a")], np.arange(2))


def test_overflow_is_refused_by_dtype() -> None:
    refuse_overflow(column("3.4e38", "NA", "inf", "text"), "float32")
    refuse_overflow(column("1e39"), "float64")
    with pytest.raises(TableError, match=r"row 3, column 'x': found -1e39.*--dtype float64"):
        refuse_overflow(column("1", "-1e39"), "float32")
    with pytest.raises(TableError, match="found inf, wanted a finite number"):
        numbers(column("1", "inf"), None, False)


# The whole -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inputs_stand_in_the_order_of_features(dtype: str) -> None:
    preparation, table = example()
    x = preparation.transform(table, dtype)
    assert x.dtype == dtype
    assert x.flags.c_contiguous
    assert x.shape == (3, preparation.inputs) == (3, 3)
    np.testing.assert_array_equal(x[:, 1:], [[1, 0], [0, 1], [1, 0]])
    other = make(junk=["?"] * 3, b=["u", "v", "u"], a=["1", "2", "6"])
    np.testing.assert_array_equal(preparation.transform(other, dtype), x)
    with pytest.raises(TableError, match=r"no column 'a', 'b', which the model needs; found: c"):
        preparation.transform(make(c=["1"]), dtype)


def test_round_trip_through_json() -> None:
    preparation, table = example()
    text = json.dumps(preparation.to_dict(), allow_nan=False)
    again = Preparation.from_dict(json.loads(text), 3, 1)
    assert again == preparation
    np.testing.assert_array_equal(
        again.transform(table, "float64"), preparation.transform(table, "float64")
    )
    classes = Preparation(preparation.features, ClassTarget("y", ["a", "b"]))
    assert Preparation.from_dict(json.loads(json.dumps(classes.to_dict())), 3, 2) == classes


def damage(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda d: d.update(changes)


def damage_feature(number: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda d: d["features"][number].update(changes)


def damage_target(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda d: d["target"].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damage(version=2), "newer densecore"),
        (damage(version="1"), "found version '1', wanted"),
        (damage(version=True), "found version True, wanted"),
        (damage(version=0), "found version 0, wanted"),
        (damage(features=None), "damaged entry"),
        (damage(features=[]), "found 0 inputs"),
        (damage(features=[1]), "damaged entry"),
        (damage(features=["a"]), "damaged entry"),
        (damage(target=[]), "damaged entry"),
        (damage(target={}), "damaged entry"),
        (damage_feature(0, kind="other"), "unknown kind of feature 'other'; known"),
        (damage_feature(0, kind=[]), "unknown kind of feature"),
        (damage_feature(0, name=3), "found 3, wanted text"),
        (damage_feature(0, mean="0"), "found '0', wanted a finite number"),
        (damage_feature(0, mean=float("nan")), "wanted a finite number"),
        (damage_feature(0, mean=10**400), "wanted a finite number"),
        (damage_feature(0, mean=True), "found True, wanted a finite number"),
        (damage_feature(0, scale=0), "found scale 0.0, wanted > 0"),
        (damage_feature(0, scale=-1.0), "found scale -1.0, wanted > 0"),
        (damage_feature(0, fill=float("inf")), "wanted a finite number"),
        (damage_feature(1, name="a"), "'a' occurs twice"),
        (damage_feature(1, categories="uv"), "wanted a list of texts"),
        (damage_feature(1, categories=[]), "wanted a list of texts"),
        (damage_feature(1, categories=["u", "u"]), "occurs twice"),
        (damage_feature(1, categories=["u", 1]), "found 1, wanted text"),
        (damage_feature(1, categories=["u", "v", "w"]), "found 4 inputs and 1 outputs, wanted 3"),
        (damage_target(kind="other"), "unknown kind of target 'other'; known"),
        (damage_target(names=["y", "z"]), "differ in length"),
        (damage_target(names="y"), "wanted a list of texts"),
        (damage_target(means=3), "damaged entry"),
        (damage_target(means=[None]), "found None, wanted a finite number"),
        (damage_target(scales=[0]), "wanted > 0"),
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
        Preparation.from_dict(data, 3, 1)


@pytest.mark.parametrize("data", [None, 3, "text", [], {}, [{}]])
def test_what_is_no_entry_at_all(data: Any) -> None:
    with pytest.raises(ValueError, match=r"damaged entry"):
        Preparation.from_dict(data, 3, 1)


def test_every_missing_key_is_refused() -> None:
    good = example()[0].to_dict()

    def holders(d: dict[str, Any]) -> list[dict[str, Any]]:
        return [d, d["target"], *d["features"]]

    for number, holder in enumerate(holders(good)):
        for key in holder:
            data = copy.deepcopy(good)
            del holders(data)[number][key]
            with pytest.raises(ValueError, match="damaged entry"):
                Preparation.from_dict(data, 3, 1)


def test_preparation_knows_no_network() -> None:
    import densecore.tabular.preparation as preparation

    files = list(Path(str(preparation.__file__)).parent.glob("*.py"))
    assert len(files) > 2
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        imports = [line for line in lines if line.startswith(("from .", "import "))]
        assert not [line for line in imports if "model" in line or "_core" in line], file
