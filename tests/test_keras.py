"""The same numbers as Keras's, where it is installed: layers, losses, optimizers, metrics."""

import os
from typing import Any

import numpy as np
import pytest

import densecore as dc

# Keras computes with whatever it finds; its PyTorch backend is the smallest to install.
torch = pytest.importorskip("torch")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
CLASSES = RNG.integers(0, 3, 40)
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
REAL = RNG.normal(size=(40, 3)).astype("float32")
# In (0, 1), and each row sums to 1.
SHARES = RNG.dirichlet(np.ones(3), 40).astype("float32")

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own are not ours to judge


def stack(library: Any, names: list[tuple[str, dict[str, Any]]]) -> Any:
    made = [getattr(library.layers, name)(**arguments) for name, arguments in names]
    return library.Sequential([library.Input((6,)), *made])


def twins(names: list[tuple[str, dict[str, Any]]]) -> tuple[Any, Any]:
    """Two models of the same layers and weights, densecore's and Keras's."""
    own, theirs = stack(dc, names), stack(keras, names)
    # From any distribution: variances are positive, and no two numbers are alike.
    weights = [
        RNG.uniform(0.2, 0.8, array.shape).astype(array.dtype) - 0.5 * ("kernel" in array.path)
        for array in theirs.weights
    ]
    own.set_weights(weights)
    theirs.set_weights(weights)
    return own, theirs


@pytest.mark.parametrize(
    "layer",
    [
        ("Dense", {"units": 5, "activation": "gelu"}),
        ("Dense", {"units": 5, "use_bias": False}),
        ("BatchNormalization", {}),
        ("BatchNormalization", {"epsilon": 0.1, "scale": False}),
        ("LayerNormalization", {}),
        ("Rescaling", {"scale": 0.5, "offset": -1.0}),
        ("ReLU", {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}),
        ("LeakyReLU", {}),
        ("ELU", {"alpha": 0.7}),
        ("Softmax", {}),
        ("Flatten", {}),
        ("Dropout", {"rate": 0.5}),
        *(
            ("Activation", {"activation": name})
            for name in dc.activations.names()
            if hasattr(keras.activations, name)
            and name != "threshold"  # to which Keras gives no initial values
        ),
    ],
)
def test_layers(layer: tuple[str, dict[str, Any]]) -> None:
    if layer[0] == "Rescaling":  # ours keeps its two numbers as weights, Keras as a setting
        own, theirs = stack(dc, [layer]), stack(keras, [layer])
    else:
        own, theirs = twins([layer, ("Dense", {"units": 3})])
    expected = theirs.predict(X, verbose=0)
    np.testing.assert_allclose(own.predict(X), expected, rtol=2e-5, atol=2e-6)


def test_normalization() -> None:
    own, theirs = dc.layers.Normalization(), keras.layers.Normalization()
    own.adapt(X)
    theirs.adapt(X)
    found = dc.Sequential([dc.Input(6), own]).predict(X)
    np.testing.assert_allclose(found, np.asarray(theirs(X)), rtol=1e-5, atol=1e-6)


LOSSES = {
    name: (SHARES, SHARES[::-1].copy()) for name in dc.losses.names() if hasattr(keras.losses, name)
}
LOSSES.update(
    sparse_categorical_crossentropy=(CLASSES, SHARES),
    hinge=(2 * ONE_HOT - 1, REAL),
    squared_hinge=(2 * ONE_HOT - 1, REAL),
    categorical_hinge=(ONE_HOT, REAL),
    mean_squared_error=(REAL, REAL[::-1].copy()),
    mean_absolute_error=(REAL, REAL[::-1].copy()),
    huber=(REAL, 2 * REAL[::-1]),
    log_cosh=(REAL, 2 * REAL[::-1]),
    cosine_similarity=(REAL, REAL[::-1].copy()),
)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    target, output = LOSSES[name]
    kind = "".join(part.capitalize() for part in name.split("_"))
    kind = {"KlDivergence": "KLDivergence"}.get(kind, kind)
    own, theirs = getattr(dc.losses, kind)(), getattr(keras.losses, kind)()
    assert own(target, output) == pytest.approx(float(theirs(target, output)), rel=1e-5)


OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"learning_rate": 0.05}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"learning_rate": 0.05, "clipnorm": 0.1}),
    # Adam's epsilon is added after the correction of the moments here, as in the paper's algorithm
    # and in PyTorch; Keras adds it before.
    ("Adam", {"learning_rate": 0.01, "epsilon": 1e-12}),
    ("Adam", {"learning_rate": 0.01, "epsilon": 1e-12, "amsgrad": True}),
    ("AdamW", {"learning_rate": 0.01, "epsilon": 1e-12, "weight_decay": 0.1}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Adamax", {"learning_rate": 0.01}),
    ("RMSprop", {"learning_rate": 0.01}),
    ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Lion", {"learning_rate": 0.001}),
]


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_optimizers(name: str, settings: dict[str, Any]) -> None:
    """30 steps of the same network on the same batches."""
    own, theirs = twins(
        [
            ("Dense", {"units": 8, "activation": "tanh", "kernel_regularizer": "l2"}),
            ("Dense", {"units": 3, "activation": "softmax"}),
        ]
    )
    own.compile(getattr(dc.optimizers, name)(**settings), "categorical_crossentropy")
    theirs.compile(getattr(keras.optimizers, name)(**settings), "categorical_crossentropy")
    for step in range(30):
        rows = slice(step % 4 * 10, step % 4 * 10 + 10)
        own.train_on_batch(X[rows], ONE_HOT[rows])
        theirs.train_on_batch(X[rows], ONE_HOT[rows])
    for found, expected in zip(own.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ["Precision", "Recall", "BinaryAccuracy", "TruePositives"])
def test_metrics(name: str) -> None:
    own, theirs = getattr(dc.metrics, name)(), getattr(keras.metrics, name)()
    for library in (own, theirs):
        library.update_state(ONE_HOT[:25, :1], SHARES[:25, :1])
        library.update_state(ONE_HOT[25:, :1], SHARES[25:, :1])
    assert float(own.result()) == pytest.approx(float(theirs.result()), rel=1e-6)
