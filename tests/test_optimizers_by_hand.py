"""Optimizers on arrays that a program names: `apply_gradients`, `variables`."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, optimizers

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = X @ np.array([[1.0], [2.0], [3.0]], "float32")


@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.Adam, optimizers.RMSprop])
def test_variables_take_the_steps_of_a_model(make: Any) -> None:
    model = dc.Sequential([dc.Input(3), layers.Dense(1)], seed=0)
    model.compile(make(0.1), "mse")
    kernel, bias = (dc.Variable(array) for array in model.get_weights())
    optimizer = make(0.1)
    for _ in range(5):
        error = X @ kernel.numpy() + bias.numpy() - Y
        gradients = [2 * X.T @ error / 20, 2 * error.mean(axis=0)]
        optimizer.apply_gradients(zip(gradients, [kernel, bias], strict=True))
        model.train_on_batch(X, Y)
    np.testing.assert_allclose(kernel.numpy(), model.layers[0].kernel, atol=1e-5)
    np.testing.assert_allclose(bias.numpy(), model.layers[0].bias, atol=1e-5)
    assert optimizer.iterations == 5
    assert len(optimizer.variables) == 2 + 2 * len(optimizer.state_names())


def test_gradients_of_the_compiled_model() -> None:
    found = []
    for by_hand in (False, True):
        model = dc.Sequential([dc.Input(3), layers.Dense(2, "tanh"), layers.Dense(1)], seed=1)
        model.compile("adam", "mse")
        outputs = model.forward(X)
        model.backward(2 * (outputs - Y) / 20)
        gradients = [np.array(model.layers[0].kernel_gradient), None, None, None]
        if by_hand:
            model.optimizer.apply(gradients, model.trainable_variables)
        else:
            whole = np.zeros_like(model.gradients)
            whole[:6] = gradients[0].ravel()
            model.gradients[...] = whole
            model.apply_gradients()
        found.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(*found, strict=True))


def test_what_an_optimizer_keeps_is_shown_for_each_variable() -> None:
    model = dc.Sequential([dc.Input(3), layers.Dense(2), layers.Dense(1)], seed=0)
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=1, batch_size=10, verbose=0)
    kept = model.optimizer.variables
    assert [array.shape for array in kept[2:]] == [
        (3, 2), (3, 2), (2,), (2,), (2, 1), (2, 1), (1,), (1,)
    ]  # fmt: skip
    assert int(kept[0]) == 2
    assert float(kept[1]) == pytest.approx(0.001)
    assert all((array != 0).any() for array in kept[2:4])


def test_other_gradients_are_refused() -> None:
    weight = dc.Variable(np.ones((2, 1)))
    optimizer = optimizers.SGD(0.5)
    with pytest.raises(ValueError, match=r"found a gradient of shape \(2,\), wanted \(2, 1\)"):
        optimizer.apply_gradients([(np.ones(2), weight)])
    with pytest.raises(ValueError, match="found 2 gradients for 1 variables"):
        optimizer.apply([1, 2], [weight])
    with pytest.raises(ValueError, match="found no variables"):
        optimizer.apply([np.ones((2, 1))])
    assert (weight.numpy() == 1).all()
    optimizer.apply([np.ones((2, 1))], [weight])
    assert weight.numpy().tolist() == [[0.5], [0.5]]
    with pytest.raises(ValueError, match="wanted those of the first call"):
        optimizer.apply([np.ones(3)], [dc.Variable(np.ones(3))])


def test_variables_that_take_no_numbers_are_refused_before_a_step() -> None:
    first, fixed = np.ones(3), np.ones(2)
    fixed.flags.writeable = False
    cases: list[tuple[Any, type[Exception], str]] = [
        (fixed, ValueError, "found a variable that is read-only"),
        (np.ones(2, int), TypeError, "found a variable of dtype int64, wanted float32 or float64"),
        (np.ones(2, complex), TypeError, "found a variable of dtype complex128"),
        ([1.0, 1.0], TypeError, r"found a variable list \[1.0, 1.0\], wanted an array"),
    ]
    for variable, kind, message in cases:
        optimizer = optimizers.SGD(0.5)
        with pytest.raises(kind, match=message):
            optimizer.apply([np.ones(3), np.ones(2)], [first, variable])
        assert (first == 1).all()
        assert optimizer.iterations == 0
    for given in (None, [1], [(1, 2, 3)]):
        with pytest.raises(TypeError, match="wanted pairs of a gradient and a variable"):
            optimizers.SGD(0.5).apply_gradients(given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rows of different lengths"):
        optimizers.SGD(0.5).apply([[[1], [1, 2]]], [first])


def test_names_without_weight_decay_are_texts() -> None:
    model = dc.Sequential([dc.Input(3), layers.Dense(2)], seed=0)
    optimizer = optimizers.AdamW(0.1)
    optimizer.exclude_from_weight_decay(var_names="bias")  # one name, not four letters
    model.compile(optimizer, "mse")
    assert model.layers[0].weight_decay_multiplier == {"bias": 0.0}
    with pytest.raises(ValueError, match=r"var_names: found '\(', wanted a regular expression"):
        optimizers.AdamW().exclude_from_weight_decay(var_names=["("])
    with pytest.raises(TypeError, match="var_names: found 3"):
        optimizers.AdamW().exclude_from_weight_decay(var_names=3)
    with pytest.raises(TypeError, match="var_list: found a variable 1, wanted an array"):
        optimizers.AdamW().exclude_from_weight_decay(var_list=[1])


def test_weight_decay_leaves_variables_alone() -> None:
    def made() -> dc.Sequential:
        return dc.Sequential([dc.Input(3), layers.Dense(2, name="a"), layers.Dense(1)], seed=0)

    for how in ("names", "variables", "no"):
        model = made()
        before = [w + 1 for w in model.get_weights()]
        model.set_weights(before)
        optimizer = optimizers.AdamW(0.1, weight_decay=0.5)
        if how == "names":
            optimizer.exclude_from_weight_decay(var_names=["bias", "^a/"])
        elif how == "variables":
            kept = [*model.layers[0].weights, model.layers[1].bias]
            optimizer.exclude_from_weight_decay(var_list=kept)
        model.compile(optimizer, "mse")
        for one, other in zip(before, model.get_weights(), strict=True):
            assert (one == other).all()
        model.forward(X)
        model.backward(np.zeros((20, 1), "float32"))
        model.apply_gradients()
        factors = [1, 1, 0.95, 1] if how != "no" else [0.95] * 4
        for one, other, factor in zip(before, model.get_weights(), factors, strict=True):
            np.testing.assert_allclose(other, factor * one, rtol=1e-6)
    with pytest.raises(ValueError, match="found a call after compile"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
