"""Sweeps and cross-validation: what the table says is what ordinary trainings give."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import densecore as dc

ROWS = 60


def model_of(seed: int = 4, optimizer: Any = "sgd", metrics: Any = ("accuracy",)) -> dc.Sequential:
    model = dc.Sequential([dc.Input(3), dc.Dense(6, "tanh"), dc.Dense(2, "softmax")], seed=seed)
    model.compile(optimizer, "sparse_categorical_crossentropy", list(metrics))
    return model


def data_of() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 3))
    return x, (x[:, 0] + 0.3 * rng.normal(size=ROWS) > 0.7).astype(int)


GRID = {"learning_rate": [0.01, 0.3], "momentum": [0.0, 0.9]}


def test_a_sweep_equals_ordinary_trainings() -> None:
    x, y = data_of()
    results = dc.sweep(model_of(), x, y, GRID, epochs=3, batch_size=8, repeats=2,
                       validation_split=0.25)  # fmt: skip
    assert results.columns == ["learning_rate", "momentum", "loss", "accuracy", "val_loss",
                               "val_loss_std", "val_accuracy"]  # fmt: skip
    assert len(results) == 4
    for row in results.rows:
        settings = dict(zip(("learning_rate", "momentum"), row[:2], strict=True))
        found = []
        for seed in (4, 5):
            model = model_of(seed, dc.optimizers.SGD(**settings))
            history = model.fit(x, y, 8, epochs=3, verbose=0, validation_split=0.25).history
            found.append({name: values[-1] for name, values in history.items()})
        losses = [one["val_loss"] for one in found]
        wanted = [
            np.mean([one["loss"] for one in found]),
            np.mean([one["accuracy"] for one in found]),
            np.mean(losses),
            np.std(losses, ddof=1),
            np.mean([one["val_accuracy"] for one in found]),
        ]
        assert row[2:] == pytest.approx(wanted, rel=1e-12)
    best = results.best()
    assert best["val_loss"] == min(results["val_loss"])
    assert results.best_settings() == {key: best[key] for key in GRID}


def test_what_is_monitored_decides() -> None:
    x, y = data_of()
    results = dc.sweep(model_of(), x, y, {"learning_rate": [1e-4, 1.0]}, epochs=5,
                       validation_data=(x, y), monitor="val_accuracy")  # fmt: skip
    assert results.best()["val_accuracy"] == max(results["val_accuracy"])
    assert min(results["val_accuracy"]) < max(results["val_accuracy"])


def test_refit_trains_on_all_rows() -> None:
    x, y = data_of()
    model = model_of()
    before = model.parameters.copy()
    results = dc.sweep(model, x, y, GRID, epochs=3, batch_size=8, refit=True)
    assert (model.parameters == before).all()
    alone = model_of(optimizer=dc.optimizers.SGD(**results.best_settings()))
    alone.fit(x, y, 8, epochs=3, verbose=0)
    assert results.model is not None
    assert results.model.parameters.tobytes() == alone.parameters.tobytes()


def test_settings_around_the_rule() -> None:
    x, y = data_of()
    grid = {"weight_decay": [None, 0.1], "clipnorm": [0.5], "beta_1": [0.5, 0.9]}
    results = dc.sweep(model_of(optimizer="adam"), x, y, grid, epochs=3)
    assert results["weight_decay"] == [None, None, 0.1, 0.1]
    assert len(set(results["loss"])) == 4


@pytest.mark.parametrize("stratify", [False, True])
def test_cross_validation_equals_ordinary_trainings(stratify: bool) -> None:
    x, y = data_of()
    results = dc.cross_validate(model_of(), x, y, 4, stratify=stratify, epochs=3, batch_size=8,
                                repeats=2)  # fmt: skip
    assert results["fold"] == [*"01230123", "mean", "std"]
    assert results.history.indices is not None
    for i, rows in enumerate(results.history.indices):
        rest = np.setdiff1d(np.arange(ROWS), rows)
        assert len(rows) == 45
        if stratify:
            assert abs(y[rest].mean() - y.mean()) < 1 / 15
        model = model_of(4 + i // 4)
        history = model.fit(x[rows], y[rows], 8, epochs=3, verbose=0,
                            validation_data=(x[rest], y[rest])).history  # fmt: skip
        assert results.rows[i][1:] == tuple(values[-1] for values in history.values())
    held_out = [np.setdiff1d(np.arange(ROWS), rows) for rows in results.history.indices]
    for deal in (held_out[:4], held_out[4:]):
        assert sorted(np.concatenate(deal)) == list(range(ROWS))
    assert results.mean()["val_loss"] == pytest.approx(np.mean(results["val_loss"][:-2]))
    assert results.std()["val_loss"] == pytest.approx(np.std(results["val_loss"][:-2], ddof=1))


def test_a_sweep_of_folds() -> None:
    x, y = data_of()
    folds = dc.cross_validate(model_of(optimizer=dc.optimizers.SGD(0.3)), x, y, 3, epochs=2)
    results = dc.sweep(model_of(), x, y, {"learning_rate": [0.01, 0.3]}, folds=3, epochs=2)
    assert results["val_loss"][1] == pytest.approx(folds.mean()["val_loss"], rel=1e-12)
    assert results["val_loss_std"][1] == pytest.approx(folds.std()["val_loss"], rel=1e-12)


def test_stratified_by_something_else() -> None:
    x, y = data_of()
    groups = np.repeat([0, 1, 2], ROWS // 3)
    results = dc.cross_validate(model_of(), x, y, 5, stratify=groups)
    assert results.history.indices is not None
    for rows in results.history.indices:
        assert np.bincount(groups[rows]).tolist() == [16, 16, 16]


def test_the_table() -> None:
    x, y = data_of()
    results = dc.sweep(model_of(), x, y, GRID, epochs=2)
    lines = repr(results).splitlines()
    assert lines[0] == "4 combinations, 2 epochs; the best val_loss has a *"
    assert lines[1].split() == results.columns
    starred = [number for number, line in enumerate(lines[2:]) if line.startswith("* ")]
    assert starred == [int(np.argmin(results["val_loss"]))]
    assert len({len(line) for line in lines[1:]}) == 1
    with pytest.raises(ValueError, match="known: learning_rate, momentum, loss"):
        results["epoch"]
    frame = pytest.importorskip("pandas") and results.to_pandas()
    assert list(frame.columns) == results.columns
    assert frame["loss"].tolist() == results["loss"]


def call(function: Any, *more: Any, **arguments: Any) -> Callable[[], Any]:
    return lambda: function(model_of(), *data_of(), *more, **arguments)


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (call(dc.sweep, {}), ValueError, "grid: found no setting"),
    (call(dc.sweep, ["learning_rate"]), TypeError, "grid: found list"),
    (call(dc.sweep, {"learning_rate": 0.1}), TypeError, "wanted a list of values"),
    (call(dc.sweep, {"learning_rate": []}), ValueError, "found no values"),
    (call(dc.sweep, {"units": [1]}), ValueError, "unknown setting 'units'; known: learning_rate"),
    (call(dc.sweep, {"learning_rate": [0.1, -1]}), ValueError, "learning_rate"),
    (call(dc.sweep, GRID, monitor="val_auc"), ValueError, "unknown number 'val_auc'.*known: loss"),
    (call(dc.sweep, GRID, folds=3, validation_split=0.1), ValueError, "folds: found a validation"),
    (call(dc.sweep, GRID, stratify=True), ValueError, "stratify: found it without folds"),
    (call(dc.sweep, GRID, repeats=0), ValueError, "repeats"),
    (call(dc.cross_validate, 1), ValueError, "folds: found 1, wanted an integer >= 2"),
    (call(dc.cross_validate, 61), ValueError, "folds: found 61, wanted at most 60"),
    (call(dc.cross_validate, 3, stratify=[1, 2]), ValueError, r"stratify: found shape \(2,\)"),
    (lambda: dc.cross_validate("model", *data_of()), TypeError, "found str"),  # type: ignore[arg-type]
    (lambda: dc.cross_validate(dc.Sequential([dc.Input(3), dc.Dense(1)]), *data_of()),
     RuntimeError, "not compiled"),
]  # fmt: skip


@pytest.mark.parametrize(("run", "kind", "text"), ERRORS)
def test_errors(run: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        run()
