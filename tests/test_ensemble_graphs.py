"""Ensembles of graphs: several inputs and outputs, each member the bits of a model of its own."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers
from densecore.distributed import run_threads
from densecore.losses import MeanAbsoluteError

SEEDS = [5, 9, 2]


def made(seed: int = 0, dtype: str = "float32", mapping: bool = False) -> dc.Model:
    a, b = dc.Input(4, name="a"), dc.Input(2, name="b")
    trunk = layers.Concatenate()([dc.Dense(7, "relu")(a), layers.Dropout(0.2)(b)])
    trunk = layers.BatchNormalization()(dc.Dense(6, "tanh")(trunk))
    kind = dc.Dense(3, "softmax", name="kind")(trunk)
    size = dc.Dense(1, name="size")(trunk)
    rest = dc.Dense(2, name="rest")(trunk)
    given: Any = {"a": a, "b": b} if mapping else [a, b]
    outputs: Any = {"kind": kind, "size": size, "rest": rest} if mapping else [kind, size, rest]
    model = dc.Model(given, outputs, seed=seed, dtype=dtype)
    model.compile(
        "adam",
        {"kind": "sparse_categorical_crossentropy",
         "size": MeanAbsoluteError(reduction="mean_with_sample_weight")},
        metrics={"kind": ["accuracy"]}, weighted_metrics={"size": ["mse"]},
        loss_weights={"kind": 0.5, "size": 2.0},
    )  # fmt: skip
    return model


def data(rows: int = 60, dtype: str = "float32") -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(rows, 4)).astype(dtype), rng.normal(size=(rows, 2)).astype(dtype)]
    y = [rng.integers(0, 3, rows), rng.normal(size=rows).astype(dtype)]
    return x, y, {"kind": rng.uniform(0, 2, rows), "size": rng.uniform(0.5, 1, rows)}


def named(x: list[Any], y: list[Any]) -> tuple[Any, Any]:
    return {"a": x[0], "b": x[1]}, {"kind": y[0], "size": y[1]}


def state(model: Any) -> bytes:
    arrays = [*model.weights, *model._network.optimizer_states().values()]
    return b"".join(array.tobytes() for array in arrays)


@pytest.mark.parametrize("batch", [1, 16, 60])
@pytest.mark.parametrize("mapping", [False, True])
def test_members_are_models_of_their_own(batch: int, mapping: bool) -> None:
    x, y, weights = data()
    held_out = data(20)
    given, targets = named(x, y) if mapping else (x, y)
    validation = (*(named(*held_out[:2]) if mapping else held_out[:2]), held_out[2])
    ensemble = dc.Ensemble(made(mapping=mapping), seeds=SEEDS)
    how: dict[str, Any] = {"batch_size": batch, "epochs": 3, "verbose": 0}
    history = ensemble.fit(given, targets, sample_weight=weights, validation_data=validation, **how)
    predicted = ensemble.predict(given)
    evaluated = ensemble.evaluate(given, targets, weights, return_dict=True)
    for i, seed in enumerate(SEEDS):
        alone = made(seed, mapping=mapping)
        found = alone.fit(given, targets, sample_weight=weights, validation_data=validation, **how)
        member = ensemble.member(i)
        assert state(member) == state(alone)
        assert history.member(i).history == found.history
        own = alone.predict(given)
        for key in own if mapping else range(3):
            assert (predicted[key][i] == own[key]).all()
        for name, value in alone.evaluate(given, targets, sample_weight=weights, verbose=0,
                                          return_dict=True).items():  # fmt: skip
            assert evaluated[name][i] == value
    means = ensemble.predict(given, reduce="mean")
    key = "kind" if mapping else 0
    np.testing.assert_allclose(means[key], predicted[key].mean(axis=0), rtol=1e-6)


def test_steps_on_the_callers_arrays() -> None:
    x, y, weights = data()
    ensemble = dc.Ensemble(made(), seeds=SEEDS)
    models = [made(seed) for seed in SEEDS]
    for given in (None, weights["kind"].astype("float32"), weights):
        for _ in range(3):
            losses = ensemble.train_on_batch(x, y, given)
            wanted = [model.train_on_batch(x, y, given)[0] for model in models]
            assert losses.tolist() == wanted
    for i, model in enumerate(models):
        assert state(ensemble.member(i)) == state(model)
    one = ensemble.predict_on_batch(x)
    assert (one[1][2] == models[2].predict_on_batch(x)[1]).all()


def test_data_of_each_member() -> None:
    x, y, _ = data()
    rng = np.random.default_rng(4)
    own_b = rng.normal(size=(3, 60, 2)).astype("float32")
    own_size = rng.normal(size=(3, 60)).astype("float32")
    own_weights = rng.uniform(0.5, 1, size=(3, 60))
    ensemble = dc.Ensemble(made(), seeds=SEEDS)
    ensemble.fit([x[0], own_b], [y[0], own_size], epochs=2, sample_weight=own_weights, verbose=0)
    ensemble.train_on_batch([x[0], own_b], [y[0], own_size], own_weights)
    predicted = ensemble.predict([x[0], own_b])
    for i, seed in enumerate(SEEDS):
        alone = made(seed)
        mine = [x[0], own_b[i]], [y[0], own_size[i]]
        alone.fit(*mine, epochs=2, sample_weight=own_weights[i], verbose=0)
        alone.train_on_batch(*mine, own_weights[i])
        assert state(ensemble.member(i)) == state(alone)
        assert (predicted[0][i] == alone.predict(mine[0])[0]).all()
    # The same as a list of what each member's model takes.
    again = dc.Ensemble(made(), seeds=SEEDS)
    again.fit([[x[0], b] for b in own_b], [[y[0], size] for size in own_size], epochs=2,
              sample_weight=own_weights, verbose=0)  # fmt: skip
    again.train_on_batch([x[0], own_b], [y[0], own_size], own_weights)
    assert (again.parameters == ensemble.parameters).all()


@pytest.mark.parametrize("split", [False, True])
def test_rows_by_number_and_by_share(split: bool) -> None:
    x, y, weights = data()
    rows = [np.arange(0, 40), np.arange(10, 50), np.r_[0:30, 50:60]]
    ensemble = dc.Ensemble(made(), seeds=SEEDS)
    how: dict[str, Any] = {"sample_weight": weights, "epochs": 2, "verbose": 0}
    if split:
        history = ensemble.fit(x, y, validation_split=0.25, **how)
    else:
        history = ensemble.fit(x, y, indices=rows, validation_data="rest", **how)
    for i, seed in enumerate(SEEDS):
        alone = made(seed)
        if split:
            found = alone.fit(x, y, validation_split=0.25, **how)
        else:
            rest = np.setdiff1d(np.arange(60), rows[i])

            def part(which: Any) -> tuple[Any, Any, Any]:
                own = {name: array[which] for name, array in weights.items()}
                return [a[which] for a in x], [a[which] for a in y], own

            mine = part(rows[i])
            found = alone.fit(*mine[:2], sample_weight=mine[2], validation_data=part(rest),
                              epochs=2, verbose=0)  # fmt: skip
        assert state(ensemble.member(i)) == state(alone)
        assert history.member(i).history == found.history


def test_files_pickles_and_other_places(tmp_path: Any) -> None:
    x, y, _ = data()
    whole = dc.Ensemble(made(), seeds=SEEDS)
    whole.fit(x, y, epochs=4, verbose=0)
    first = dc.Ensemble(made(), seeds=SEEDS)
    first.fit(x, y, epochs=2, verbose=0)
    first.save(tmp_path / "members.safetensors")
    loaded = dc.Ensemble.load(tmp_path / "members.safetensors")
    assert loaded.metrics_names == whole.metrics_names
    for other in (loaded, pickle.loads(pickle.dumps(first))):
        other.fit(x, y, epochs=2, verbose=0)
        assert (other.parameters == whole.parameters).all()
    with ThreadPoolExecutor(2) as executor:
        there = dc.Ensemble(made(), seeds=SEEDS)
        there.fit(x, y, epochs=4, verbose=0, executor=executor)
        assert (there.parameters == whole.parameters).all()

    def train(comm: Any) -> Any:
        mine = dc.Ensemble(made(), seeds=SEEDS)
        mine.fit(x, y, epochs=4, verbose=0, comm=comm)
        return mine.parameters.copy()

    for parameters in run_threads(2, train, 20):
        assert (parameters == whole.parameters).all()
    member = whole.member(1)
    whole.set_member(0, member)
    assert (whole.parameters[0] == whole.parameters[1]).all()


def test_compiled_later() -> None:
    x, y, _ = data()
    model = made()
    bare = dc.Ensemble(dc.models.clone_model(model), seeds=SEEDS)
    bare.compile(
        ["adam", "sgd", "adam"], {"kind": "sparse_categorical_crossentropy", "size": "mse"},
        loss_weights={"size": 3}, metrics={"kind": "accuracy"},
    )  # fmt: skip
    assert bare.metrics_names == ["loss", "kind_loss", "size_loss", "kind_accuracy"]
    losses = bare.train_on_batch(x, y)
    values = [bare.evaluate(x, y, return_dict=True)[name] for name in bare.metrics_names]
    np.testing.assert_allclose(values[0], values[1] + 3 * values[2], rtol=1e-6)
    assert losses.shape == (3,)


def test_sweeps_and_folds() -> None:
    x, y, weights = data()
    model = made()
    found = dc.cross_validate(model, x, y, folds=3, epochs=2, sample_weight=weights,
                              stratify=y[0], refit=True)  # fmt: skip
    assert [row[0] for row in found.rows] == ["0", "1", "2", "mean", "std"]
    assert "val_kind_accuracy" in found.columns
    alone = made()
    alone.fit(x, y, epochs=2, sample_weight=weights, verbose=0)
    assert state(found.model) == state(alone)
    swept = dc.sweep(model, x, y, {"learning_rate": [0.001, 0.1]}, folds=2, epochs=2,
                     monitor="val_size_loss")  # fmt: skip
    assert len(swept.rows) == 2
    with pytest.raises(TypeError, match="stratify: found True for a model of several outputs"):
        dc.cross_validate(model, x, y, folds=3, stratify=True)


def test_several_inputs_and_one_output() -> None:
    x, y, _ = data()
    a, b = dc.Input(4), dc.Input(2)
    model = dc.Model([a, b], dc.Dense(1)(layers.Concatenate()([a, b])), seed=3)
    model.compile("sgd", "mse")
    ensemble = dc.Ensemble(model, 2)
    ensemble.fit(x, y[1], epochs=2, verbose=0)
    model.fit(x, y[1], epochs=2, verbose=0)
    assert (ensemble.parameters[0] == model.parameters).all()
    assert (ensemble.predict(x)[0] == model.predict(x)).all()
    assert ensemble.predict(x).shape == (2, 60, 1)


def test_what_does_not_fit_is_named() -> None:
    x, y, weights = data()
    ensemble = dc.Ensemble(made(), seeds=SEEDS)
    before = ensemble.parameters.copy()
    cases: dict[str, Any] = {
        r"x: found 1 parts|x: found one array": lambda: ensemble.fit(x[0], y),
        r"input b|b: found": lambda: ensemble.fit([x[0], x[1][:, :1]], y),
        r"y: found": lambda: ensemble.fit(x, {"kind": y[0]}),
        r"y of kind": lambda: ensemble.fit(x, [y[0] + 5, y[1]]),
        r"class_weight": lambda: ensemble.fit(x, y, class_weight={0: 1.0}),
        r"member 1: ": lambda: ensemble.fit([[x[0], x[1]], [x[0], x[1][:3]], [x[0], x[1]]], y),
        r"sample_weight": lambda: ensemble.fit(x, y, sample_weight={"other": weights["kind"]}),
        r"out: found": lambda: ensemble.predict_on_batch(x, np.empty((3, 60, 6), "float32")),
    }
    for wanted, call in cases.items():
        with pytest.raises((ValueError, TypeError), match=wanted):
            call()
    assert (ensemble.parameters == before).all()
    with pytest.raises(TypeError, match="Python function"):
        ensemble.compile("adam", {"kind": lambda y, p: 0.0})
