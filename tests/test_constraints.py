"""Constraints: weights stay within bounds, however a model is trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import constraints, layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = 5 * X[:, :1] - 3
W = RNG.normal(size=(4, 3))


def compiled(constraint: Any, **options: Any) -> dc.Sequential:
    hidden = dc.Dense(8, "relu", kernel_constraint=constraint, **options)
    model = dc.Sequential([dc.Input(3), hidden, dc.Dense(1)], seed=0)
    model.compile(dc.optimizers.SGD(0.1), "mse")
    return model


def lengths(w: Any) -> Any:
    return np.linalg.norm(w, axis=0)


def test_what_they_compute() -> None:
    np.testing.assert_allclose(lengths(constraints.UnitNorm()(W)), 1, rtol=1e-6)
    found = lengths(constraints.MaxNorm(0.5)(10 * W))
    np.testing.assert_allclose(found, 0.5, rtol=1e-6)
    np.testing.assert_allclose(constraints.MaxNorm(100)(W), W, rtol=1e-6)
    assert (constraints.NonNeg()(W) == np.maximum(W, 0)).all()
    found = lengths(constraints.MinMaxNorm(0.5, 0.6)(10 * W))
    np.testing.assert_allclose(found, 0.6, rtol=1e-6)
    found = lengths(constraints.MinMaxNorm(0.5, 0.6, rate=0.5)(W))
    np.testing.assert_allclose(found, (0.6 + lengths(W)) / 2, rtol=1e-6)
    across = constraints.UnitNorm(axis=1)(W)
    np.testing.assert_allclose(np.linalg.norm(across, axis=1), 1, rtol=1e-6)


def test_names_and_configurations() -> None:
    assert constraints.names()[0] == "max_norm"
    for name in constraints.names():
        found = constraints.get(name)
        assert constraints.deserialize(constraints.serialize(found)).get_config() == (
            found.get_config()
        )
    assert constraints.max_norm(3).max_value == 3
    assert constraints.get(None) is None
    with pytest.raises(ValueError, match="unknown constraint 'max'"):
        constraints.get("max")
    with pytest.raises(ValueError, match="MaxNorm: max_value"):
        constraints.MaxNorm(-1)


@pytest.mark.parametrize("way", ["fit", "batch", "step", "apply", "metrics"])
def test_weights_stay_within_bounds(way: str) -> None:
    model = compiled(constraints.MaxNorm(0.3), bias_constraint="non_neg")
    free = compiled(None)
    for each in (model, free):
        if way == "fit":
            each.fit(X, Y, epochs=3, verbose=0)
        elif way == "metrics":
            each.compile("sgd", "mse", metrics=["mae"])
            each.fit(X, Y, epochs=3, verbose=0)
        elif way == "batch":
            for _ in range(5):
                each.train_on_batch(X, Y.astype(np.float32))
        elif way == "step":
            each.make_train_step(X, Y.astype(np.float32)).run(5)
        else:
            for _ in range(5):
                out = each.forward(X)
                each.backward(2 * (out - Y.astype(np.float32)) / 60)
                each.apply_gradients()
    assert lengths(model.layers[0].kernel).max() < 0.3001
    assert model.layers[0].bias.min() >= 0
    assert lengths(free.layers[0].kernel).max() > 0.4
    assert lengths(model.layers[1].kernel).max() > 0.31


def test_a_constraint_holds_as_keras_applies_it() -> None:
    """One step of SGD, then the constraint, by hand."""
    model = compiled(constraints.UnitNorm())
    twin = compiled(None)
    model.train_on_batch(X, Y.astype(np.float32))
    twin.train_on_batch(X, Y.astype(np.float32))
    kernel = twin.layers[0].kernel
    np.testing.assert_allclose(model.layers[0].kernel, kernel / lengths(kernel), rtol=1e-5)


@pytest.mark.parametrize("how", ["fit", "epochs", "batches", "bound", "one batch"])
def test_a_constraint_is_applied_once_per_step(how: str) -> None:
    """A second time `MinMaxNorm` with a rate would change weights again."""
    half = constraints.MinMaxNorm(0.2, 0.4, rate=0.5)
    model, twin = compiled(half), compiled(None)
    y = Y.astype(np.float32)
    for _ in range(3):
        twin.train_on_batch(X, y)
        twin.layers[0].kernel[...] = half(twin.layers[0].kernel.copy())
    if how == "fit":
        model.fit(X, y, batch_size=60, epochs=3, shuffle=False, verbose=0)
    elif how == "epochs":
        for _ in range(3):
            model.fit(X, y, batch_size=60, shuffle=False, verbose=0)
    elif how == "batches":
        model.fit(X[:20], y[:20], batch_size=20, verbose=0, epochs=0)
        for _ in range(3):
            model.train_on_batch(X, y)
            model(X, training=True)  # no step
    elif how == "bound":
        model.make_train_step(X, y).run(3)
    else:
        for _ in range(3):
            out = model.forward(X)
            model.backward((2 * (out - y) / y.size).astype(np.float32))
            model.apply_gradients()
    np.testing.assert_allclose(model.get_weights()[0], twin.get_weights()[0], rtol=1e-5)


def test_frozen_layers_are_left_alone() -> None:
    model = compiled("unit_norm", trainable=False)
    before = model.layers[0].kernel.copy()
    model.fit(X, Y, verbose=0)
    assert (model.layers[0].kernel == before).all()


def test_they_are_saved(tmp_path: Path) -> None:
    model = compiled(constraints.MaxNorm(0.4))
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m")
    loaded = dc.load_model(tmp_path / "m")
    assert loaded.layers[0].kernel_constraint.max_value == 0.4
    for each in (model, loaded):
        each.fit(X, Y, verbose=0)
    assert (model.parameters == loaded.parameters).all()
    norm = layers.BatchNormalization(gamma_constraint="non_neg")
    assert norm.get_config()["gamma_constraint"] == {"name": "non_neg"}
    assert "gamma_constraint" not in layers.BatchNormalization().get_config()


def test_of_one_s_own() -> None:
    class Small(constraints.Constraint):
        def __init__(self, most: float) -> None:
            self.most = most

        def __call__(self, w: Any) -> Any:
            return np.clip(w, -self.most, self.most)

    for constraint in (Small(0.1), lambda w: np.clip(w, -0.1, 0.1)):
        model = compiled(constraint)
        model.fit(X, Y, verbose=0)
        assert np.abs(model.layers[0].kernel).max() <= np.float32(0.1)
    with dc.saving.custom_object_scope({"Small": Small}):
        again = dc.Sequential.from_config(compiled(Small(0.1)).get_config())
        assert again.layers[0].kernel_constraint.most == 0.1


def test_where_they_are_refused() -> None:
    with pytest.raises(TypeError, match="found constraints in the layer dense"):
        dc.Ensemble(compiled("non_neg"), 2)
    with pytest.raises(ValueError, match="solver='lbfgs': found constraints in the layer dense"):
        compiled("non_neg").fit(X, Y, solver="lbfgs", verbose=0)
