"""Graphs of layers from Keras: models, and files that are read without Keras."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers
from densecore._data.structures import leaves, packed
from random_models import assert_near, random_graph_model

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")
keras = pytest.importorskip("keras")
pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore:You are saving your model as an HDF5 file",
)
NOT_IN_KERAS = frozenset({layers.PeriodicEmbedding})


@pytest.mark.parametrize("seed", range(10))
def test_a_graph_comes_back_from_keras_and_from_its_files(seed: int, tmp_path: Path) -> None:
    dtype = ("float32", "float64")[seed % 2]
    model, x = random_graph_model(seed, dtype, without=NOT_IN_KERAS)
    theirs = model.to_keras()
    theirs.save(tmp_path / "model.keras")
    sources: list[Any] = [theirs, tmp_path / "model.keras"]
    if seed % 3 == 0:
        theirs.save(tmp_path / "model.h5")
        sources.append(tmp_path / "model.h5")
    for source in sources:
        back = dc.from_keras(source)
        assert back.dtype == dtype
        found = leaves(back.predict(packed(back._input_structure, list(x)), verbose=0))
        assert_near(found, model, x, iter([1e-5] * len(found)), str(source))


def everything() -> Any:
    """A model with what Keras's functional models may have, and its inputs."""
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    inner = keras.Input((4,))
    parts = [keras.layers.Dense(2, name="left")(inner), keras.layers.Dense(3)(inner)]
    p, q = keras.Model(inner, parts, name="inner")(a)
    s = keras.layers.Dense(2, "tanh", name="s")
    h = keras.layers.Concatenate()([s(b), p])
    shared = s(p)
    o = h * 0.5 + keras.ops.tanh(h)
    o2, o3 = 1 - shared, keras.ops.relu(b[:, 1:2])
    d = keras.layers.Dot(axes=(1, 1))([shared, o2])
    e = keras.layers.Flatten()(keras.layers.Embedding(5, 3)(b))
    outputs = {
        "x": o, "y": o2 / (1 + o3), "z": e, "d": keras.activations.gelu(d, approximate=True),
        "i": s(s(keras.ops.maximum(o2, o3))), "q": keras.layers.PReLU("ones")(q),
    }  # fmt: skip
    return keras.Model({"a": a, "b": b}, outputs)


def test_operations_nested_models_and_shared_layers_are_read(tmp_path: Path) -> None:
    theirs = everything()
    losses = {"x": "mse", "y": "mae", "z": "mse", "d": "huber", "i": "mse", "q": "mse"}
    theirs.compile(
        "adam",
        losses,
        loss_weights={name: 2.0 if name == "x" else 1.0 for name in losses},
        metrics={"x": ["mae"]},
    )
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(8, 4)).astype("f4"), "b": rng.integers(0, 5, (8, 2)).astype("f4")}
    y = {name: rng.normal(size=value.shape).astype("f4") for name, value in theirs(x).items()}
    theirs.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False)
    theirs.save(tmp_path / "model.keras")
    found_loss = theirs.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    models = [dc.from_keras(theirs), dc.from_keras(tmp_path / "model.keras")]
    for ours in models:
        for name, found in ours.predict(x, verbose=0).items():
            assert found == pytest.approx(np.asarray(theirs(x)[name]), abs=2e-6)
        assert ours.evaluate(x, y, verbose=0, return_dict=True)["loss"] == pytest.approx(
            found_loss, rel=1e-5
        )
    # Training goes on where it stands: the optimizer's averages are in both.
    theirs.fit(x, y, batch_size=8, epochs=1, verbose=0, shuffle=False)
    for ours in models:
        ours.fit(x, y, batch_size=8, epochs=1, verbose=0, shuffle=False)
        for name, found in ours.predict(x, verbose=0).items():
            assert found == pytest.approx(np.asarray(theirs(x)[name]), abs=1e-5)


def test_compiled_graphs_go_to_keras_with_all_their_losses() -> None:
    x = dc.Input(3, name="x")
    h = dc.Dense(4, "tanh")(x)
    model = dc.Model(x, {"a": dc.Dense(1, name="a")(h), "b": dc.Dense(2, name="b")(h)}, seed=0)
    model.compile("adam", {"a": "mse", "b": "mae"}, loss_weights={"b": 0.5}, metrics={"a": ["mae"]})
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(8, 3)).astype("f4")
    y = {"a": rng.normal(size=(8, 1)).astype("f4"), "b": rng.normal(size=(8, 2)).astype("f4")}
    model.fit(rows, y, epochs=2, verbose=0)
    theirs = model.to_keras()
    for each in (model, theirs):
        each.fit(rows, y, batch_size=8, epochs=3, verbose=0, shuffle=False)
    for name, found in model.predict(rows, verbose=0).items():
        assert found == pytest.approx(np.asarray(theirs(rows)[name]), abs=1e-5)


def _mixture(x: Any) -> Any:
    """Experts, and the shares in which a gate mixes them."""
    ops, dense = keras.ops, keras.layers.Dense
    experts = ops.stack([dense(3)(x), dense(3, "tanh")(x)], axis=1)
    return ops.sum(experts * ops.expand_dims(dense(2, "softmax")(x), -1), axis=1)


def _gated(x: Any) -> Any:
    left, right = keras.ops.split(keras.layers.Dense(8)(x), 2, axis=-1)
    return left * keras.ops.sigmoid(right) + keras.ops.clip(left, -0.5, 0.5)


@pytest.mark.parametrize(
    "function",
    [
        _mixture, _gated,
        # Rows keep their shapes: (rows, 1), (rows,).
        lambda x: keras.ops.sum(keras.ops.square(x), axis=1, keepdims=True),
        lambda x: keras.ops.mean(x, axis=-1, keepdims=True), lambda x: keras.ops.sum(x, axis=-1),
        lambda x: keras.ops.where(x > 0, x, 0.1 * x),
        lambda x: keras.ops.mean(keras.ops.stack([x, -x, x * x], axis=0), axis=0),
        lambda x: keras.ops.normalize(x, axis=-1),
        lambda x: keras.ops.logsumexp(x, axis=-1, keepdims=True) - keras.ops.max(x, -1, True),
        lambda x: keras.ops.take(x, [0, 2], axis=1),
        lambda x: keras.ops.einsum("bi,bj->bij", x, x),
        lambda x: keras.layers.EinsumDense("ab,bc->ac", 3, "relu", bias_axes="c")(x),
        lambda x: keras.layers.EinsumDense("...x,xy->...y", 3)(x),
    ],
)  # fmt: skip
def test_functions_of_keras_ops_are_read(function: Any, tmp_path: Path) -> None:
    inputs = keras.Input((4,))
    theirs = keras.Model(inputs, function(inputs))
    theirs.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(4, 4)).astype("f4")
    wanted = theirs.predict(x, verbose=0)
    for source in (theirs, tmp_path / "model.keras"):
        found = dc.from_keras(source).predict(x, verbose=0)
        assert found.shape == wanted.shape
        assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_what_a_graph_cannot_be_is_refused_by_name() -> None:
    a = keras.Input((4,), name="a")
    inverse = keras.ops.erfinv(keras.layers.Dense(3)(a))
    theirs = keras.Model(a, [inverse, keras.layers.Dense(2)(a)])
    with pytest.raises(ValueError, match=r"from_keras: layer erfinv.* found an operation"):
        dc.from_keras(theirs)
    b = keras.Input((4, 3))
    both = keras.Model(b, [keras.layers.LSTM(3, name="memory")(b), keras.layers.Flatten()(b)])
    with pytest.raises(ValueError, match=r"from_keras: layer memory \(LSTM\): found LSTM, wanted"):
        dc.from_keras(both)
