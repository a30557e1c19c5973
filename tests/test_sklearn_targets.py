"""densecore.sklearn: classes of all types stay apart, and seeds are scikit-learn's."""

import warnings
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", minversion="1.7")

import sklearn.neural_network as theirs
from sklearn.metrics import get_scorer

import densecore.sklearn as ours
from densecore.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
X = rng.normal(size=(90, 4))
NUMBERS = np.digitize(X[:, 0], [-0.5, 0.5])
BIG = [90071992547409931, 90071992547409932, 90071992547409999]  # one float64, all three


def small(kind: Any = MLPClassifier, **settings: Any) -> Any:
    return kind(**{"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 3, **settings})


def named(names: Any) -> list[Any]:
    return [names[number] for number in NUMBERS]


# Classes --------------------------------------------------------------------------------------

KINDS: dict[str, Any] = {
    "strings": named(["a", "b", "c"]),
    "objects": np.array(named(["a", "b", "c"]), object),
    "digits": named(["1", "01", "1.0"]),
    "powers": named(["1E3", "1000", "2E3"]),
    "wide integers": named(BIG),
    "unsigned integers": np.array(named([2**63, 2**63 + 1, 2**63 + 2]), np.uint64),
    "booleans": NUMBERS > 0,
    "floats": NUMBERS.astype(np.float32),
    "bytes of integers": NUMBERS.astype(np.int8),
}


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_scikit_learns(kind: str) -> None:
    y = KINDS[kind]
    expected = small(theirs.MLPClassifier).fit(X, y)
    found = small().fit(X, y)
    assert_array_equal(found.classes_, expected.classes_)
    assert found.classes_.dtype == expected.classes_.dtype
    assert_array_equal(found.predict(X), expected.predict(X))
    assert len(found.classes_) == len(set(np.asarray(y).tolist()))
    again = small().partial_fit(X, y, classes=found.classes_).partial_fit(X[:5], y[:5])
    assert_array_equal(again.classes_, found.classes_)


@pytest.mark.parametrize("dtype", ["category", "string", "object", "Int64"])
def test_classes_of_pandas(dtype: str) -> None:
    pandas = pytest.importorskip("pandas")
    y = pandas.Series(NUMBERS if dtype == "Int64" else named(["a", "b", "c"]), dtype=dtype)
    expected = small(theirs.MLPClassifier).fit(X, y)
    found = small().fit(X, y)
    assert_array_equal(found.classes_, expected.classes_)
    assert_array_equal(found.predict(X), expected.predict(X))
    assert found.score(X, y) == expected.score(X, y)


def test_classes_of_polars() -> None:
    polars = pytest.importorskip("polars")
    for dtype in (polars.String, polars.Categorical):
        y = polars.Series(named(["a", "b", "c"]), dtype=dtype)
        assert list(small().fit(X, y).classes_) == ["a", "b", "c"]
    assert small().fit(X, polars.Series(named(BIG))).classes_.tolist() == BIG
    with pytest.raises(ValueError, match="y: found None in row 0"):
        small().fit(X, polars.Series([None, *named(["a", "b", "c"])[1:]]))


def test_numbers_that_floats_cannot_tell_apart_are_refused() -> None:
    for y in (np.array(named(BIG), float), named([2**63, 2**63 + 1, -5])):
        with pytest.raises(ValueError, match=r"y: found class numbers up to .* as float64"):
            small().fit(X, y)
    model = small().partial_fit(X, named(BIG), classes=BIG)
    with pytest.raises(ValueError, match="y: found class numbers up to"):
        model.partial_fit(X, np.array(named(BIG), float))


@pytest.mark.parametrize("y", [named(["a", 1, 2]), np.array(named(["a", 1, 2.5]), object)])
def test_strings_and_numbers_are_not_mixed(y: Any) -> None:
    with pytest.raises(TypeError, match=r"y: found classes of the types .*str, wanted strings or"):
        small().fit(X, y)


@pytest.mark.parametrize(
    ("classes", "y"),
    [
        ([0, 1, 2], named(["0", "1", "2"])),
        (["0", "1", "2"], NUMBERS),
        ([0, 1, 2], NUMBERS + 0.5),
        (BIG, np.array(named(BIG)) + 1),
        (np.array(BIG, np.uint64), -np.array(named(BIG))),
        (["a", "b", "c"], np.array(named(["a", "b", "d"]), object)),
    ],
)
def test_unknown_classes_are_refused(classes: Any, y: Any) -> None:
    first = named(classes if isinstance(classes, list) else classes.tolist())
    model = small().partial_fit(X, first, classes=classes)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=r"classes not in `self.classes_`|Unknown label type"):
        model.partial_fit(X, y)
    assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint64, np.float32, np.float64])
def test_classes_of_another_number_type_are_the_same(dtype: Any) -> None:
    model = small().partial_fit(X, NUMBERS, classes=[0, 1, 2])
    twin = small().partial_fit(X, NUMBERS, classes=[0, 1, 2])
    model.partial_fit(X, NUMBERS.astype(dtype))
    assert_array_equal(model.predict_proba(X), twin.partial_fit(X, NUMBERS).predict_proba(X))


# Going on -------------------------------------------------------------------------------------


def test_a_warm_start_keeps_the_output_layer() -> None:
    model = small(MLPRegressor, warm_start=True).fit(X, abs(X[:, 0]))
    before = model.predict(X)
    with pytest.raises(ValueError, match=r"found the loss 'poisson', .* wanted a loss for 'lin"):
        model.set_params(loss="poisson").fit(X, abs(X[:, 0]))
    model.set_params(loss="huber")
    assert_array_equal(model.predict(X), before)
    assert abs(model.fit(X, abs(X[:, 0])).predict(X) - before).max() > 0


def test_scales_of_an_earlier_fit_are_gone() -> None:
    model = small(MLPRegressor, scale_inputs=True, scale_targets=True).fit(X, X[:, 0])
    assert model.input_mean_.shape == (4,)
    model.set_params(scale_inputs=False, scale_targets=False).fit(X, X[:, 0])
    for name in ("input_mean_", "input_scale_", "target_mean_", "target_scale_"):
        assert not hasattr(model, name)


@pytest.mark.parametrize("settings", [{"early_stopping": True}, {"class_weight": "unbalanced"}])
def test_a_first_fit_that_fails_leaves_no_model(settings: dict[str, Any]) -> None:
    model = small(**settings)
    with pytest.raises(ValueError, match=r"least populated|class_weight"):
        model.fit(X[:4], [0, 0, 0, 1])
    assert not hasattr(model, "model_")


def test_a_scorer_is_given_rows_that_need_no_check() -> None:
    seen: list[int] = []

    class Counting(MLPRegressor):
        def __init__(self, early_stopping_metric: Any = None, max_iter: int = 3) -> None:
            super().__init__(early_stopping_metric=early_stopping_metric, max_iter=max_iter)

        def _is_plain(self, rows: Any) -> bool:
            seen.append(len(rows))
            return False  # the caller then makes the whole check

    def metric(estimator: Any, rows: Any, y: Any) -> float:
        estimator.predict(X[:7])  # other rows are checked, as they are in any thread
        with pytest.raises(ValueError, match="contains NaN"):
            estimator.predict(np.full((2, 4), np.nan))
        return float(get_scorer("r2")(estimator, rows, y))

    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = Counting(metric)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the rows of the metric have no names
        model.fit(frame, X[:, 0], X_val=frame, y_val=X[:, 0])
    assert seen == [90, 7, 2, 90, 7, 2, 90, 7, 2, 90]
    assert not hasattr(model, "_checked_rows")


# Seeds ----------------------------------------------------------------------------------------

GENERATORS: dict[str, Any] = {
    "global": lambda: np.random.seed(5),  # noqa: NPY002
    "instance": lambda: np.random.RandomState(5),
}


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"early_stopping": True},
        {"solver": "sgd", "batch_size": 20},
        {"solver": "lbfgs"},
        {"shuffle": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_generators_are_drawn_from_as_scikit_learn_does(
    kind: str, settings: dict[str, Any], generator: str
) -> None:
    y = NUMBERS if kind == "MLPClassifier" else X[:, 1]
    found = []
    for module in (theirs, ours):
        state = GENERATORS[generator]()
        model = small(getattr(module, kind), activation="tanh", random_state=state, **settings)
        losses = [model.fit(X, y).loss_ for _ in range(3)]
        draw = np.random.rand() if state is None else state.rand()  # noqa: NPY002
        found.append([*losses, draw])
    assert_allclose(found[1], found[0], rtol=1e-7)
    assert len(set(found[1])) == 4


@pytest.mark.parametrize("settings", [{"dropout": 0.3}, {"n_members": 2, "bootstrap": True}])
def test_the_global_seed_fixes_all_else(settings: dict[str, Any]) -> None:
    found = []
    for _ in range(2):
        np.random.seed(1)  # noqa: NPY002
        found.append(small(MLPRegressor, random_state=None, **settings).fit(X, X[:, 1]).predict(X))
    assert_array_equal(found[0], found[1])
    other = small(MLPRegressor, random_state=None, **settings).fit(X, X[:, 1]).predict(X)
    assert abs(other - found[0]).max() > 1e-6


def test_other_generators_are_refused_as_by_scikit_learn() -> None:
    for module in (theirs, ours):
        with pytest.raises(ValueError, match="The 'random_state' parameter"):
            module.MLPRegressor(random_state=np.random.default_rng(0)).fit(X, X[:, 0])


# Parameters -----------------------------------------------------------------------------------

INTEGERS = {"max_iter": 3, "batch_size": 10, "max_fun": 50, "n_members": 2, "n_iter_no_change": 2}
REALS = {
    "alpha": 0.5, "learning_rate_init": 0.5, "power_t": 0.5, "tol": 0.5, "momentum": 0.5,
    "validation_fraction": 0.5, "beta_1": 0.5, "beta_2": 0.5, "epsilon": 0.5, "dropout": 0.5,
    "weight_decay": 0.5, "clipnorm": 0.5, "clipvalue": 0.5, "global_clipnorm": 0.5,
    "time_budget": 50.0,
}  # fmt: skip


def with_solver(name: str) -> dict[str, Any]:
    """Settings under which a parameter matters."""
    solver = {"power_t": "sgd", "momentum": "sgd", "max_fun": "lbfgs"}.get(name, "adam")
    early = {"early_stopping": True} if name == "validation_fraction" else {}
    rate = {"learning_rate": "invscaling"} if name == "power_t" else {}
    return {"solver": solver, **early, **rate}


@pytest.mark.parametrize("name", [*INTEGERS, *REALS])
def test_scalars_of_numpy_are_numbers(name: str) -> None:
    value = (INTEGERS | REALS)[name]
    expected = small(**{**with_solver(name), name: value}).fit(X, NUMBERS).predict_proba(X)
    types = [np.int8, np.int64, np.uint16] if name in INTEGERS else [np.float32, np.float64]
    for kind in types:
        found = small(**{**with_solver(name), name: kind(value)}).fit(X, NUMBERS)
        assert_array_equal(found.predict_proba(X), expected)


@pytest.mark.parametrize("name", [*INTEGERS, *REALS])
def test_what_is_no_number_is_refused_by_name(name: str) -> None:
    value = (INTEGERS | REALS)[name]
    wrong = [True, np.True_, str(value), b"1", 1j, [[value]], object(), float("nan")]
    wrong += [Fraction(1, 2), Decimal("0.5"), 10**400, -1]
    wrong += [2**63] if name in INTEGERS else []
    wrong += [float("inf")] if name != "n_iter_no_change" else []
    wrong += [None] if name not in ("weight_decay", "time_budget", "n_members") else []
    for each in wrong:
        if each is None and "clip" in name:
            continue
        with pytest.raises((ValueError, TypeError), match=name):
            small(**{**with_solver(name), name: each}).fit(X, NUMBERS)


def test_units_and_targets_that_are_no_numbers() -> None:
    for sizes in (2**63, (2**40,), 10**400, True, 2.0, "3", None):
        with pytest.raises((ValueError, TypeError), match="hidden_layer_sizes"):
            small(hidden_layer_sizes=sizes).fit(X, NUMBERS)
    for y in (X[:, 0].astype(str), NUMBERS.astype("M8[D]")):
        with pytest.raises((TypeError, ValueError), match=r"y: found an array of|dtype"):
            small(MLPRegressor).fit(X, y)
    with pytest.raises(ValueError, match="validation_fraction: found 0 with early_stopping"):
        small(early_stopping=True, validation_fraction=0).fit(X, NUMBERS)


def test_a_rate_may_fall_to_almost_nothing() -> None:
    model = small(solver="sgd", learning_rate="invscaling", power_t=10**6, max_iter=5)
    assert np.isfinite(model.fit(X, NUMBERS).predict_proba(X)).all()
