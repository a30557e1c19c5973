"""The estimators of tables, and what a training keeps: best epochs, members, files."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from command_line import flowers

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from densecore.tabular import (
    TabularClassifier,
    TabularRegressor,
    fit,
    load_table_model,
    problem_of,
    read_table,
    recipe_named,
    table_of,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))
NUMBERS = 3 * X[:, 0] + X[:, 1] ** 2
CLASSES = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")

NOT_THE_SAME = {
    "check_sample_weight_equivalence_on_dense_data": "rows are shuffled into parts and batches: "
    "a weight of two is another batch than a row twice"
}


@pytest.mark.slow
@parametrize_with_checks(
    [
        TabularClassifier("quick", epochs=12, random_state=0),
        TabularRegressor("quick", epochs=12, random_state=0),
    ],
    expected_failed_checks=lambda estimator: NOT_THE_SAME,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_is_content(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.parametrize(
    "labels", [[0, 1], [0.0, 1.0], [False, True], ["no", "yes"], [7, 10]], ids=str
)
def test_classes_of_a_frame_are_its_values(labels: list[Any]) -> None:
    """As if the column had been given apart: predictions compare with it."""
    x = np.random.default_rng(0).normal(size=(120, 2))
    y = np.array(labels)[(x[:, 0] > 0).astype(int)]
    table = {"a": x[:, 0], "b": x[:, 1], "y": y}
    model = TabularClassifier("quick", epochs=3, random_state=0).fit(table, "y")
    assert model.classes_.tolist() == labels
    assert model.classes_.dtype == y.dtype
    apart = TabularClassifier("quick", epochs=3, random_state=0).fit(
        {"a": x[:, 0], "b": x[:, 1]}, y
    )
    np.testing.assert_array_equal(model.predict(table), apart.predict(table))
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table).convert_dtypes()
    frame.loc[3, "y"] = None
    nullable = TabularClassifier("quick", epochs=1, random_state=0).fit(frame, "y")
    assert nullable.classes_.tolist() == labels


def test_numbers_and_texts_of_numbers_in_one_column() -> None:
    """pandas reads a column so when some chunks of a file hold a text."""
    values = [i / 7 if i % 2 else f"{i / 7:.4f}" for i in range(60)]
    values[4] = "n/a"
    table = table_of({"a": np.array(values, object), "kind": ["1", "2"] * 30})
    assert table.column("a").kind == "numbers"
    np.testing.assert_allclose(table.column("a").numbers()[:4], np.arange(4) / 7, atol=1e-4)
    assert table.column("kind").kind == "texts"


def test_a_frame_with_all_there_is(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "flowers.csv"
    path.write_text(flowers(150))
    frame = pandas.read_csv(path)
    frame.loc[3, "length"] = None
    frame.loc[4, "colour"] = None
    model = TabularClassifier("quick", random_state=0).fit(frame, "species")
    assert model.classes_.tolist() == ["iris", "rose"]
    assert model.n_features_in_ == 4
    assert np.mean(model.predict(frame) == frame["species"]) > 0.9
    same = TabularClassifier("quick", random_state=0).fit(
        frame.drop(columns="species"), frame["species"]
    )
    np.testing.assert_array_equal(same.predict_proba(frame.drop(columns="species")),
                                  model.predict_proba(frame))  # fmt: skip
    polars = pytest.importorskip("polars")
    np.testing.assert_array_equal(
        model.predict_proba(polars.from_pandas(frame)), model.predict_proba(frame)
    )
    from_file = TabularRegressor("quick", random_state=0).fit(path, "weight")
    low, high = from_file.predict_interval(path, 0.9)
    truth = read_table(path).column("weight").numbers()
    assert np.mean((low <= truth) & (truth <= high)) > 0.8
    assert (low <= high).all()


def test_what_is_new_at_prediction_is_one_warning() -> None:
    model = TabularRegressor("quick", epochs=12, random_state=0).fit(X, NUMBERS)
    with_gap = X[:100].copy()
    with_gap[3, 1] = np.nan
    with pytest.warns(UserWarning, match="column 'x1': 1 missing numbers, of which") as told:
        model.predict(with_gap)
    assert len(told) == 1
    with pytest.warns(UserWarning, match="column 'x1': 1 missing numbers, of which"):
        low, high = model.predict_interval(with_gap)
    assert ((low <= model.predict(X)[:100]) & (model.predict(X)[:100] <= high))[4:].all()


@pytest.mark.slow
def test_few_rows_have_the_bits_of_many() -> None:
    holes = X.copy()
    holes[5, 2] = np.nan
    for model, y in ((TabularClassifier, CLASSES), (TabularRegressor, NUMBERS)):
        made = model("quick", epochs=12, random_state=0).fit(holes, y)
        call = made.predict_proba if model is TabularClassifier else made.predict
        together = call(holes)
        for i in range(10):
            np.testing.assert_array_equal(call(holes[i : i + 1])[0], together[i])


def test_pickles_files_and_clones_predict_the_same(tmp_path: Path) -> None:
    model = TabularClassifier("quick", epochs=12, random_state=0).fit(X, CLASSES)
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
    np.testing.assert_array_equal(clone(model).fit(X, CLASSES).predict_proba(X), expected)
    model.save(tmp_path / "m")
    loaded = TabularClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    with pytest.raises(ValueError, match="another task than TabularRegressor"):
        TabularRegressor.load(tmp_path / "m")


@pytest.mark.slow
def test_estimators_work_inside_scikit_learn() -> None:
    model = make_pipeline(TabularRegressor("quick", random_state=0))
    assert cross_val_score(model, X, NUMBERS, cv=3).mean() > 0.8


def test_training_has_the_same_bits_for_any_number_of_threads() -> None:
    before = dc.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            dc.set_num_threads(threads)
            model = TabularRegressor("quick", epochs=12, random_state=0)
            found.append(model.fit(X, NUMBERS).predict(X))
    finally:
        dc.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.slow
def test_a_long_tail_is_learnt_as_a_logarithm_when_that_is_better() -> None:
    x = rng.normal(size=(600, 3))
    y = np.exp(2 * x[:, 0] + x[:, 1])
    model = TabularRegressor("quick", random_state=0).fit(x, y)
    assert model.model_.target.log
    assert "logarithm" in " ".join(model.model_.card["notes"])
    assert not TabularRegressor("quick", random_state=0).fit(X, NUMBERS).model_.target.log


@pytest.mark.parametrize("columns", [20, 620])  # solved, and trained
def test_the_linear_baseline_is_in_the_targets_units(columns: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, columns))
    x[:, 5:] *= rng.random((900, columns - 5)) < 0.01
    y = 5000 + 100 * x[:, :5].sum(axis=1)
    frame = {f"x{i}": x[:, i] for i in range(columns)} | {"y": y}
    problem = problem_of(table_of(frame), ["y"])
    recipe = recipe_named("quick").with_options(folds=2, epochs=1, hidden=(2,))
    found = fit(problem, recipe, 0).baselines["linear"]["y"]
    assert found["r2"] > 0.8


def test_many_rows_get_wider_networks_unless_widths_are_given() -> None:
    recipe = recipe_named("default")
    assert recipe.for_rows(3000).hidden == (128, 128, 128)
    assert recipe.for_rows(3001).hidden == (192, 192, 192)
    assert recipe.with_options(epochs=3).for_rows(3001).hidden == (192, 192, 192)
    assert recipe.with_options(hidden=(8,)).for_rows(3001).hidden == (8,)
    assert recipe_named("quick").for_rows(10**6).hidden == (64, 64)
    made = recipe.with_options(many_hidden=(5,)).for_rows(9999)
    assert made.hidden == (5,)


@pytest.mark.slow
def test_predictions_stay_near_the_range_of_the_training_rows() -> None:
    """At most half of its length beyond it, and on the same side of 0."""
    far = TabularRegressor("quick", random_state=0).fit(X, NUMBERS).predict(X * 100)
    low, high = NUMBERS.min(), NUMBERS.max()
    assert far.min() >= low - 0.5 * (high - low)
    assert far.max() <= high + 0.5 * (high - low)
    squares = NUMBERS**2
    assert TabularRegressor("quick", random_state=0).fit(X, squares).predict(X * 100).min() >= 0


# Best epochs -----------------------------------------------------------------------------------


def ensemble(members: int = 3, **options: Any) -> dc.Ensemble:
    model = dc.Sequential([dc.Input(4), dc.Dense(8, "relu"), dc.Dense(1)], seed=0)
    model.compile(dc.optimizers.Adam(0.05, **options), "mse", ["mae"])
    return dc.Ensemble(model, members)


TRAINING = [np.arange(40)] * 3
HELD_OUT = [np.arange(100, 200), np.arange(50, 90), np.arange(120, 160)]


def test_each_member_keeps_its_own_best_epoch() -> None:
    data = {"indices": TRAINING, "validation_indices": HELD_OUT, "batch_size": 8, "verbose": 0}
    best = ensemble()
    history = best.fit(X, NUMBERS, epochs=60, restore_best_weights=True, **data)
    worst = history["val_loss"].max(axis=0)
    np.testing.assert_array_equal(history.kept_epochs, history["val_loss"].argmin(axis=0))
    losses = best.evaluate(X, NUMBERS, indices=HELD_OUT)[0]
    np.testing.assert_array_equal(losses, history["val_loss"].min(axis=0))
    assert (losses < worst).all()
    # The same bits as a training that ends there.
    for i, epoch in enumerate(history.kept_epochs):
        short = ensemble()
        short.fit(X, NUMBERS, epochs=int(epoch) + 1, **data)
        np.testing.assert_array_equal(short.parameters[i], best.parameters[i])
    last = ensemble()
    history = last.fit(X, NUMBERS, epochs=5, **data)
    assert history.kept_epochs.tolist() == [4, 4, 4]


def test_of_equally_good_epochs_the_last_is_kept() -> None:
    model = dc.Sequential([dc.Input(4), dc.Dense(2, "softmax")], seed=0)
    model.compile(dc.optimizers.SGD(1e-6), "sparse_categorical_crossentropy", ["accuracy"])
    labels = (X[:, 0] > 0).astype(int)
    made = dc.Ensemble(model, 1)
    history = made.fit(
        X, labels, epochs=7, validation_split=0.5, restore_best_weights=True,
        monitor="val_accuracy", verbose=0,
    )  # fmt: skip
    assert np.unique(history["val_accuracy"]).size == 1
    assert history.kept_epochs.tolist() == [6]


def test_patience_ends_a_members_training() -> None:
    made = ensemble()
    history = made.fit(
        X, NUMBERS, epochs=400, indices=TRAINING, validation_indices=HELD_OUT, batch_size=8,
        restore_best_weights=True, monitor="val_mae", patience=5, verbose=0,
    )  # fmt: skip
    np.testing.assert_array_equal(history.completed, history.kept_epochs + 6)
    assert (history.completed < 400).all()


def test_mistakes_about_best_epochs() -> None:
    made = ensemble()
    with pytest.raises(ValueError, match="restore_best_weights: found no validation data"):
        made.fit(X, NUMBERS, restore_best_weights=True)
    with pytest.raises(ValueError, match="monitor: found 'loss', wanted one of val_loss, val_mae"):
        made.fit(X, NUMBERS, validation_split=0.5, restore_best_weights=True, monitor="loss")
    with pytest.raises(ValueError, match="patience: found it without restore_best_weights"):
        made.fit(X, NUMBERS, validation_split=0.5, patience=3)
    with pytest.raises(ValueError, match="use_ema=True"):
        ensemble(use_ema=True).fit(X, NUMBERS, validation_split=0.5, restore_best_weights=True)


def test_progress_is_told_up_to_its_end() -> None:
    shares: list[float] = []
    ensemble().fit(X, NUMBERS, epochs=3, verbose=0, on_progress=shares.append)
    assert shares[-1] == 1
    assert shares == sorted(shares)


@pytest.mark.slow
def test_networks_with_and_without_bins_are_asked_together(tmp_path: Path) -> None:
    """Two architectures in one model: in files, for a few rows and for many, in all threads."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    x[::9, 1] = np.nan
    table = {"a": x[:, 0], "b": x[:, 1], "c": rng.choice(["u", "v", "w"], 120), "d": x[:, 2]}
    # Not a sum of bent lines: of that the networks' share would be 0, whatever they say.
    table["y"] = x[:, 0] * x[:, 2] + 0.3 * x[:, 0]
    recipe = recipe_named("default").with_options(epochs=2, folds=2)
    problem = problem_of(table_of(table), ["y"], bins=recipe.settings(False).bins)
    shares: list[float] = []
    found = []
    threads = dc.get_num_threads()
    try:
        for count in (1, 2):
            dc.set_num_threads(count)
            found.append(fit(problem, recipe, 0, progress=shares.append))
    finally:
        dc.set_num_threads(threads)
    model = found[0].model
    assert len(model.ensemble) == 5
    assert [len(e) for e in model.ensemble.ensembles] == [2, 2, 1]  # and a linear model
    assert model.ensemble.shares is not None
    assert min(model.ensemble.shares) > 0.03
    assert found[0].history["val_loss"].shape == (2, 4)
    assert len(found[0].history.kept_epochs) == 4
    assert max(shares) <= 1
    predicted = model.outputs(table_of(table))
    assert predicted.tobytes() == found[1].model.outputs(table_of(table)).tobytes()
    inputs = model.preparation.transform(table_of(table), "float32")
    assert model.outputs_of_few(inputs[:5]).tobytes() == predicted[:5].tobytes()
    model.save(tmp_path / "m.safetensors")
    again = load_table_model(tmp_path / "m.safetensors")
    assert again.outputs(table_of(table)).tobytes() == predicted.tobytes()
    assert pickle.loads(pickle.dumps(model)).outputs_of(inputs).tobytes() == predicted.tobytes()
    with pytest.raises(ValueError, match=r"a model of a table, .* wanted a single network"):
        dc.load_model(tmp_path / "m.safetensors")
    only = problem_of(table_of({"c": table["c"], "y": table["y"]}), ["y"], bins=32)
    assert len(fit(only, recipe, 0).model.ensemble.ensembles) == 2  # no numbers to embed


def test_kinds_of_pandas_columns_are_numbers_and_dates() -> None:
    pd = pytest.importorskip("pandas")
    from decimal import Decimal

    from densecore.tabular.frames import columns_of_frame

    frame = pd.DataFrame(
        {
            "sparse": pd.arrays.SparseArray([0.0, 0.0, 2.5]),
            "month": pd.period_range("2020-01", periods=3, freq="M"),
            "exact": [Decimal("1.5"), None, Decimal(3)],
        }
    )
    sparse, month, exact = columns_of_frame(frame, "frame", range(3), False)
    assert sparse.numbers().tolist() == [0.0, 0.0, 2.5]
    assert month.kind == "moments"
    assert month.numbers()[1] - month.numbers()[0] == 31 * 86400
    assert exact.numbers()[[0, 2]].tolist() == [1.5, 3.0]
    assert np.isnan(exact.numbers()[1])


def test_arrow_tables_are_tables() -> None:
    pa = pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    numbers, colours = rng.normal(size=60), rng.choice(["red", "blue"], 60)
    table = pa.table({"x": pa.array(numbers, mask=np.arange(60) % 9 == 0),
                      "colour": pa.array(colours).dictionary_encode()})  # fmt: skip
    model = TabularRegressor("quick", epochs=2, random_state=0).fit(table, numbers)
    frame = {"x": np.where(np.arange(60) % 9 == 0, np.nan, numbers), "colour": colours}
    assert model.predict(table).tobytes() == model.predict(frame).tobytes()
    assert model.predict(table.to_batches()[0]).tobytes() == model.predict(frame).tobytes()
    twice = pa.table([numbers, numbers], names=["x", "x"])
    with pytest.raises(ValueError, match="found two columns 'x'"):
        model.predict(twice)


def test_missing_labels_are_refused() -> None:
    labels = np.array(["a", None, "b", "a"] * 5, object)
    with pytest.raises(ValueError, match="y contains NaN or None, in row 1 first"):
        TabularClassifier("quick", epochs=2).fit(np.arange(20.0)[:, None] ** 2, labels)


@pytest.mark.slow
def test_the_package_knows_its_module_of_tables() -> None:
    script = "import densecore as dc; print(dc.tabular.TabularClassifier.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "TabularClassifier\n"


def test_scores_of_very_small_and_very_large_numbers() -> None:
    """Their squares are no doubles."""
    from densecore.tabular.scores import number_scores

    truth = np.array([1.0, 2.0, 4.0, 8.0])
    wanted = number_scores(truth + 0.5, truth)
    for unit in (1e-300, 1e-200, 1e200):
        found = number_scores(unit * (truth + 0.5), unit * truth)
        assert found["rmse"] == pytest.approx(unit * 0.5)
        assert found["mae"] == pytest.approx(unit * 0.5)
        assert found["r2"] == pytest.approx(wanted["r2"])
    same = number_scores(np.zeros(3), np.zeros(3))
    assert (same["rmse"], same["mae"]) == (0.0, 0.0)
    assert np.isnan(same["r2"])
