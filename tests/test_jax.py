"""Parameters as a pytree, and networks as functions of JAX."""

import os
from typing import Any

import numpy as np
import pytest

import densecore as dc
from test_export import ACTIVATIONS, trained
from test_export_layers import NETWORKS, random_network

os.environ.setdefault("JAX_ENABLE_X64", "1")


def test_a_tree_goes_out_and_comes_back() -> None:
    block = dc.layers.Residual([dc.Dense(4), dc.layers.BatchNormalization()], name="block")
    model = dc.Sequential([dc.Input(4), block, dc.Dense(2, name="last")], seed=0)
    tree = model.parameter_tree()
    assert list(tree) == ["block", "last"]
    assert list(tree["block"])[:3] == ["0.kernel", "0.bias", "1.gamma"]
    before = [array.copy() for array in model.get_weights()]
    tree["last"]["kernel"] += 1  # a copy
    assert (model.get_weights()[-2] == before[-2]).all()
    model.set_parameter_tree(tree)
    assert (model.layers[-1].kernel == before[-2] + 1).all()
    assert (model.get_weights()[0] == before[0]).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.pop("last"), ValueError, r"parameters: found \['first'\], wanted \['first',"),
        (lambda t: t["last"].pop("bias"), ValueError, r"layer last: found \['kernel'\], wanted"),
        (lambda t: t["last"].update(bias=np.ones(3)), ValueError, r"bias: found shape \(3,\)"),
        (lambda t: t["last"].update(bias=["a", "b"]), TypeError, "bias: found <U1, wanted real"),
        (lambda t: t.update(last=3), TypeError, "layer last: found int, wanted a dictionary"),
    ],
)
def test_a_wrong_tree_changes_nothing(change: Any, error: type[Exception], message: str) -> None:
    model = dc.Sequential([dc.Input(4), dc.Dense(3, name="first"), dc.Dense(2, name="last")])
    before = model.parameters.copy()
    tree = model.parameter_tree()
    tree["first"]["kernel"] += 1
    change(tree)
    with pytest.raises(error, match=message):
        model.set_parameter_tree(tree)
    assert (model.parameters == before).all()
    with pytest.raises(RuntimeError, match="no parameters yet"):
        dc.Sequential([dc.Dense(2)]).parameter_tree()


@pytest.mark.parametrize(("name", "parameters"), ACTIVATIONS)
def test_functions_predict_the_same(name: str, parameters: dict[str, Any]) -> None:
    jax = pytest.importorskip("jax")
    model, x = trained(dc.activations.Activation(name, **parameters), "float32")
    apply, tree = model.to_jax()
    wanted = model.predict(x, verbose=0)
    assert np.asarray(jax.jit(apply)(tree, x)) == pytest.approx(wanted, abs=3e-6)
    model.set_parameter_tree(tree)
    assert (model.predict(x, verbose=0) == wanted).all()


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_random_networks_predict_the_same(seed: int) -> None:
    pytest.importorskip("jax")
    model, x = random_network(seed, "float64")
    apply, tree = model.to_jax()
    wanted = model.predict(x, verbose=0)
    found = np.asarray(apply(tree, x))
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-11 * np.abs(wanted).max()


def test_gradients_and_steps_are_the_same() -> None:
    jax = pytest.importorskip("jax")
    model, x = trained("tanh", "float64")
    y = np.random.default_rng(0).normal(size=(len(x), 3))
    model.layers[2].trainable = True
    apply, tree = model.to_jax()
    slopes = jax.grad(lambda p: ((apply(p, x) - y) ** 2).mean())(tree)
    step = 1e-6
    moved = jax.tree.map(lambda a, g: a + step * g, tree, slopes)
    model.set_parameter_tree(moved)
    rise = ((model.predict(x, verbose=0) - y) ** 2).mean() - float(
        ((apply(tree, x) - y) ** 2).mean()
    )
    squares = sum(float((g**2).sum()) for g in jax.tree.leaves(slopes))
    assert rise == pytest.approx(step * squares, rel=1e-3)
    with pytest.raises(ValueError, match=r"x: found rows of shape \(4,\)"):
        apply(tree, x[:, :4])
