"""Layers of one or two units, and rows of a few dozen classes, have kernels of their own for many
rows at once: the same bits as for each row alone."""

import numpy as np
import pytest

import densecore as dc

ROWS = (7, 8, 9, 31, 32, 33, 70)


def linear_model(inputs: int, units: int, dtype: str, last: str = "linear") -> dc.Sequential:
    model = dc.Sequential([dc.Input(inputs), dc.Dense(units, last)], dtype=dtype, seed=0)
    model.layers[0].bias[...] = np.arange(1, units + 1)
    return model


@pytest.mark.parametrize("inputs", [1, 5, 6, 7, 8, 15, 16, 19, 20, 24, 33, 96, 300])
@pytest.mark.parametrize("units", [1, 2, 3])
def test_products_of_rows(inputs: int, units: int, dtype: str) -> None:
    model = linear_model(inputs, units, dtype)
    x = np.random.default_rng(inputs).normal(size=(max(ROWS), inputs)).astype(dtype)
    alone = np.concatenate([model.predict(row[None]) for row in x])
    for rows in ROWS:
        assert model.predict(x[:rows]).tobytes() == alone[:rows].tobytes()


def test_rows_that_lie_apart(dtype: str) -> None:
    """A layer that takes some columns of the inputs."""
    inputs = dc.Input(40)
    model = dc.Model(inputs, dc.Dense(1)(inputs[:, 3:27]), dtype=dtype, seed=0)
    x = np.random.default_rng(0).normal(size=(50, 40)).astype(dtype)
    alone = np.concatenate([model.predict(row[None]) for row in x])
    assert model.predict(x).tobytes() == alone.tobytes()


@pytest.mark.parametrize("classes", [2, 8, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 100])
def test_softmax_of_rows(classes: int, dtype: str) -> None:
    z = np.random.default_rng(classes).normal(0, 5, (max(ROWS), classes)).astype(dtype)
    alone = np.concatenate([dc.ops.activation("softmax", row[None]) for row in z])
    for rows in ROWS:
        assert dc.ops.activation("softmax", z[:rows]).tobytes() == alone[:rows].tobytes()


@pytest.mark.parametrize("classes", [2, 9, 16, 17, 33, 40, 64, 65])
@pytest.mark.parametrize(
    "loss", ["sparse_categorical_crossentropy", "categorical_crossentropy", "mse", "mae"]
)
def test_losses_of_rows(classes: int, loss: str, dtype: str) -> None:
    """The sum over a batch is that of its rows, each computed alone, in their order."""
    entropy = loss.endswith("entropy")
    model = linear_model(5, classes, dtype, "softmax" if entropy else "linear")
    model.compile(dc.optimizers.SGD(0.0), loss)
    rng = np.random.default_rng(classes)
    x = rng.normal(size=(37, 5)).astype(dtype)
    y = rng.integers(0, classes, 37).astype(np.int32)
    if not loss.startswith("sparse"):
        y = np.eye(classes, dtype=dtype)[y]
    if entropy:
        total = 0.0
        for i in range(len(x)):
            total += model.train_on_batch(x[i : i + 1], y[i : i + 1])
        assert model.train_on_batch(x, y) == total / len(x)
    else:  # added slot by slot over all rows
        alone = [model.train_on_batch(x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
        assert model.train_on_batch(x, y) == pytest.approx(np.mean(alone), rel=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("widths", [(96, 1), (7, 12, 6, 2), (3, 8, 4, 2, 1), (30, 20, 20, 3)])
def test_leaves_by_any_number_of_threads(
    widths: tuple[int, ...], optimizer: str, dtype: str
) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, widths[0])).astype(dtype)
    y = rng.normal(size=(3000, widths[-1])).astype(dtype)
    found = set()
    before = dc.get_num_threads()
    for threads in (1, 2, 3):
        dc.set_num_threads(threads)
        layers = [dc.Dense(units, "tanh") for units in widths[1:-1]] + [dc.Dense(widths[-1])]
        model = dc.Sequential([dc.Input(widths[0]), *layers], dtype=dtype, seed=2)
        model.compile(optimizer, "mse")
        history = model.fit(x, y, batch_size=1400, epochs=3, verbose=0)
        found.add((model.parameters.tobytes(), tuple(history.history["loss"])))
    dc.set_num_threads(before)
    assert len(found) == 1
