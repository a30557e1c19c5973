"""Rows of several dimensions, of which a layer takes each vector along the last one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 5, 6))
GAMMA, BETA = RNG.uniform(0.5, 1.5, 6), RNG.normal(size=6)


def layer_normalization(x: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    return GAMMA * centred / np.sqrt(centred.var(axis=-1, keepdims=True) + 1e-3) + BETA


def softmax(x: Any) -> Any:
    grown = np.exp(x)
    return grown / grown.sum(axis=-1, keepdims=True)


# A layer, its weights, and what it computes.
CASES: dict[str, tuple[Callable[..., layers.Layer], list[Any], Callable[[Any], Any]]] = {
    "LayerNormalization": (layers.LayerNormalization, [GAMMA, BETA], layer_normalization),
    "RMSNormalization": (
        layers.RMSNormalization,
        [GAMMA],
        lambda x: GAMMA * x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6),
    ),
    "UnitNormalization": (
        layers.UnitNormalization,
        [],
        lambda x: x / np.sqrt((x * x).sum(axis=-1, keepdims=True)),
    ),
    "Softmax": (layers.Softmax, [], softmax),
    "Dense": (
        lambda **named: layers.Dense(6, **named),
        [np.outer(GAMMA, BETA), BETA],
        lambda x: x @ np.outer(GAMMA, BETA) + BETA,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_vector_is_taken_by_itself(name: str, tmp_path: Path) -> None:
    make, weights, expected = CASES[name]
    model = dc.Sequential([dc.Input((5, 6)), make(), layers.Flatten()], dtype="float64", seed=0)
    model.layers[0].set_weights(weights)
    close = {"rtol": 1e-10, "atol": 1e-10}
    np.testing.assert_allclose(model.predict(X), expected(X).reshape(4, 30), **close)
    model.save(tmp_path / "m.safetensors")
    loaded = dc.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(model.freeze()(X.reshape(4, -1)), model.predict(X))
    if name != "Dense":  # every dimension counts as the last one of a vector
        np.testing.assert_allclose(make(axis=3)(X[None])[0], make()(X[None])[0])


@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_called_with_an_array_of_any_rank(name: str) -> None:
    make, weights, expected = CASES[name]
    layer = make()
    for given in (X, X[None], X[0]):
        layer(given.astype("f4"))
        layer.set_weights(weights)
        found = layer(given.astype("f4"))
        assert found.shape == given.shape
        np.testing.assert_allclose(found, expected(given), rtol=2e-5, atol=2e-5)
        layer = make()


@pytest.mark.parametrize("name", ["LayerNormalization", "RMSNormalization"])
def test_gradients(name: str) -> None:
    make, weights, _ = CASES[name]
    model = dc.Sequential(
        [dc.Input((5, 6)), make(), layers.Flatten(), dc.Dense(2, "tanh")], dtype="float64", seed=0
    )
    model.layers[0].set_weights(weights)
    model.compile("sgd", "mse")
    y = RNG.normal(size=(4, 2))
    model.loss_and_gradients(X, y)
    found = model.gradients.copy()
    for place in range(0, model.parameters.size, 7):
        before = model.parameters[place]
        losses = []
        for step in (1e-6, -1e-6):
            model.parameters[place] = before + step
            losses.append(model.evaluate(X, y, verbose=0))
        model.parameters[place] = before
        assert found[place] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-7)


@pytest.mark.parametrize("name", [*CASES, "Normalization", "BatchNormalization"])
def test_another_axis_is_refused(name: str) -> None:
    if name == "Dense":
        return
    make = getattr(layers, name)
    for axis in (1, 3):
        with pytest.raises(ValueError, match=rf"axis: found {axis} for rows of shape \(5, 6\)"):
            dc.Sequential([dc.Input((5, 6)), make(axis=axis), layers.Flatten(), dc.Dense(1)])
    with pytest.raises(ValueError, match="axis: found 0, wanted -1"):
        make(axis=0)
    dc.Sequential([dc.Input((5, 6)), make(axis=2), layers.Flatten(), dc.Dense(1)])


def test_an_embedding_is_called_with_one_number_for_each_row() -> None:
    layer = layers.Embedding(7, 3)
    found = layer(np.array([1, 6, 1]))
    assert found.shape == (3, 3)
    np.testing.assert_array_equal(found, layer.embeddings[[1, 6, 1]])
    assert layer(np.array([[1], [6]])).shape == (2, 1, 3)


def model_with(name: str) -> dc.Sequential:
    make, weights, _ = CASES[name]
    model = dc.Sequential(
        [dc.Input((5, 6)), layers.Dense(6, "relu"), make(), layers.Flatten(), dc.Dense(3)], seed=0
    )
    model.layers[1].set_weights(weights)
    return model


@pytest.mark.parametrize("name", CASES)
def test_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    model = model_with(name)
    module = model.to_torch()
    given = X.astype("f4")
    close = {"rtol": 1e-5, "atol": 1e-5}
    found = module(torch.from_numpy(given)).detach().numpy()
    np.testing.assert_allclose(found, model.predict(given), **close)
    back = dc.from_torch(module, input_shape=(5, 6))
    np.testing.assert_allclose(back.predict(given), model.predict(given), **close)


def test_pytorch_softmax_along_another_axis() -> None:
    nn = pytest.importorskip("torch").nn
    for kind in (nn.Softmax, nn.LogSoftmax):
        for stack in ([nn.Linear(6, 6), kind(dim=1)], [nn.Linear(6, 6), nn.ReLU(), kind(dim=1)]):
            module = nn.Sequential(*stack, nn.Flatten(), nn.Linear(30, 2))
            with pytest.raises(ValueError, match="axis: found 1 for rows of shape"):
                dc.from_torch(module, input_shape=(5, 6))


@pytest.mark.parametrize("name", CASES)
def test_jax(name: str) -> None:
    pytest.importorskip("jax")
    model = model_with(name)
    function, parameters = model.to_jax()
    found = function(parameters, X.astype("f4"))
    np.testing.assert_allclose(found, model.predict(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_onnx(name: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = model_with(name)
    model.export(tmp_path / "m.onnx")
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: X.astype("f4")})
    np.testing.assert_allclose(found, model.predict(X), rtol=1e-5, atol=1e-5)
