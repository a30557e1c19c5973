"""Regularizers that are any function of the weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import ops


class Cubes(dc.regularizers.Regularizer):
    def __init__(self, strength: float) -> None:  # as many write it: without super().__init__()
        self.strength = strength

    def __call__(self, weights: Any) -> Any:
        return self.strength * ops.sum(ops.power(ops.abs(weights), 3))

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength}


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(8, 4)), rng.normal(size=(8, 1))


def make(loss: Any = "mse", **options: Any) -> dc.Sequential:
    parts = [dc.Input(4), dc.Dense(3, "tanh", kernel_regularizer=Cubes(0.5)), dc.Dense(1)]
    model = dc.Sequential(parts, dtype="float64", seed=1)
    model.compile(dc.optimizers.SGD(1.0), loss, **options)
    return model


def mine(y: Any, a: Any) -> Any:
    return ops.mean(ops.square(y - a), axis=-1)


@pytest.mark.parametrize("loss", ["mse", mine])
def test_loss_and_gradient(loss: Any) -> None:
    x, y = data()
    model = make(loss, metrics=["mae"])
    kernel = model.get_weights()[0].copy()
    penalty = 0.5 * np.sum(np.abs(kernel) ** 3)
    mse = np.mean((model.predict(x) - y) ** 2)
    assert model.evaluate(x, y)[0] == pytest.approx(mse + penalty, rel=1e-12)
    assert model.losses == [pytest.approx(penalty)]
    plain = dc.Sequential([dc.Input(4), dc.Dense(3, "tanh"), dc.Dense(1)], dtype="float64")
    plain.compile(dc.optimizers.SGD(1.0), "mse")
    plain.set_weights(model.get_weights())
    assert model.train_on_batch(x, y)[0] == pytest.approx(mse + penalty, rel=1e-12)
    plain.train_on_batch(x, y)
    wanted = plain.get_weights()[0] - 1.5 * kernel * np.abs(kernel)
    assert np.allclose(model.get_weights()[0], wanted, rtol=1e-10, atol=1e-12)


def test_fit_and_validation() -> None:
    x, y = data()
    model = make()
    history = model.fit(x, y, epochs=3, validation_data=(x, y), batch_size=8, verbose=0).history
    assert history["loss"][1:] == pytest.approx(history["val_loss"][:-1], rel=1e-12)


def test_frozen_layers_do_not_move() -> None:
    x, y = data()
    model = make()
    model.layers[0].trainable = False
    before = model.get_weights()[0]
    model.train_on_batch(x, y)
    assert (model.get_weights()[0] == before).all()


def test_a_file_holds_its_name(tmp_path: Path) -> None:
    x, y = data()
    model = make()
    model.save(tmp_path / "m.keras")
    again = dc.load_model(tmp_path / "m.keras", custom_objects={"Cubes": Cubes})
    assert again.evaluate(x, y) == model.evaluate(x, y)
    with pytest.raises(ValueError, match="Cubes"):
        dc.load_model(tmp_path / "m.keras")


def test_orthogonality() -> None:
    matrix = np.random.default_rng(0).normal(size=(3, 4))
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    cosines = np.abs(unit @ unit.T)[np.triu_indices(3, 1)]
    penalty = dc.regularizers.OrthogonalRegularizer(0.2)
    assert penalty(matrix) == pytest.approx(0.2 * cosines.mean())
    assert dc.regularizers.OrthogonalRegularizer(0.2, "columns")(matrix.T) == penalty(matrix)
    dense = dc.Dense(4, kernel_regularizer="orthogonal")
    assert dense.kernel_regularizer(matrix) == pytest.approx(0.01 * cosines.mean())
    with pytest.raises(ValueError, match="mode: found 'all'"):
        dc.regularizers.OrthogonalRegularizer(mode="all")


def test_what_the_core_has_stays_in_the_core() -> None:
    found = dc.regularizers.get(lambda w: 0.1 * ops.sum(ops.square(w)))
    assert found == dc.regularizers.L2(0.1)


def test_a_bound_step_refuses_it() -> None:
    x, y = data()
    with pytest.raises(TypeError, match="make_train_step: found a regularizer"):
        make().make_train_step(x, y)


@pytest.mark.parametrize("solver", ["lbfgs", "lm"])
def test_solvers_refuse_it(solver: str) -> None:
    pytest.importorskip("scipy")
    x, y = data()
    with pytest.raises(TypeError, match=f"solver='{solver}': found a regularizer of the layer"):
        make().fit(x, y, solver=solver, verbose=0)


def test_what_would_leave_it_out_refuses_it() -> None:
    x, y = data()
    model = make()
    with pytest.raises(TypeError, match="model: found a regularizer of the layer"):
        dc.Ensemble(model, 2)
    with pytest.raises(TypeError, match="second derivatives: found a regularizer of the layer"):
        model.hessian_vector_product(x, y, np.ones(model.count_params()))
