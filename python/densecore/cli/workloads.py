"""The training steps that the project is measured on: networks, batches and data, defined once.

``densecore bench`` times them alone; the comparison with other libraries reads the same table.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import densecore as dc
from densecore.losses import get as get_loss

Array = NDArray[Any]

# With Adam's usual 1e-7, the first step lr g / (|g| + epsilon) turns the rounding of a small g into
# a different step: no two programs would agree in float32, and no check could be strict.
ADAM_EPSILON = 1e-3


@dataclass(frozen=True)
class Workload:
    """A network, how it is trained, and with how many rows at once."""

    name: str
    inputs: int
    units: tuple[int, ...]
    hidden: str
    last: str
    loss: str
    batch: int
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    dtype: str = "float32"

    @property
    def layers(self) -> list[tuple[int, int, str]]:
        """(inputs, units, activation) of each layer."""
        widths = [self.inputs, *self.units]
        names = [self.hidden] * (len(self.units) - 1) + [self.last]
        return list(zip(widths, self.units, names, strict=False))

    @property
    def shape(self) -> str:
        """Such as ``17-64-64-6``."""
        return "-".join(map(str, [self.inputs, *self.units]))

    @property
    def parameter_count(self) -> int:
        """Weights and biases."""
        return sum((inputs + 1) * units for inputs, units, _ in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Those of a step: forward, weight gradients, and input gradients of all but layer 1."""
        products = [inputs * units for inputs, units, _ in self.layers]
        return self.batch * (3 * sum(products) - products[0])

    @property
    def forward_multiply_adds(self) -> int:
        """The multiply-adds of the prediction of one row."""
        return sum(inputs * units for inputs, units, _ in self.layers)

    @property
    def sparse(self) -> bool:
        """Whether targets are class numbers."""
        return get_loss(self.loss).sparse

    def data(self, batches: int) -> tuple[Array, Array]:
        """Random rows for a number of batches: the speed does not depend on what they mean."""
        rng = np.random.default_rng(1)
        rows = batches * self.batch
        x: Array = rng.normal(size=(rows, self.inputs)).astype(self.dtype)
        if self.sparse:
            return x, rng.integers(0, self.units[-1], rows, dtype=np.int32)
        y: Array = rng.uniform(0, 1, size=(rows, self.units[-1])).astype(self.dtype)
        return x, y

    def batches(self, multiply_adds: float = 2e9) -> int:
        """How many batches make an epoch of about so many multiply-adds: up to 512 where a step is
        short, one where it takes long, and no more data than a processor's cache holds."""
        row = (self.inputs + self.units[-1]) * np.dtype(self.dtype).itemsize
        wanted = int(multiply_adds) // self.multiply_adds
        return max(1, min(512, wanted, (4 << 20) // (row * self.batch)))

    def model(self) -> dc.Sequential:
        """A compiled model, with the same parameters at each call."""
        layers = [dc.Dense(units, activation) for _, units, activation in self.layers]
        model = dc.Sequential([dc.Input(self.inputs), *layers], dtype=self.dtype, seed=3)
        optimizer: dc.optimizers.Optimizer = dc.optimizers.SGD(self.learning_rate)
        if self.optimizer == "adam":
            optimizer = dc.optimizers.Adam(self.learning_rate, epsilon=ADAM_EPSILON)
        model.compile(optimizer, self.loss)
        return model


def _list() -> Iterable[Workload]:
    mse, cross_entropy = "mean_squared_error", "sparse_categorical_crossentropy"
    yield Workload("note", 5, (4, 3, 2), "sigmoid", "sigmoid", mse, 1, learning_rate=0.5)
    control = Workload("control", 17, (64, 64, 6), "tanh", "linear", mse, 32)
    yield control
    yield replace(control, name="control-256", batch=256)
    yield Workload("digits", 64, (128, 10), "relu", "softmax", cross_entropy, 32)
    mnist = Workload("mnist", 784, (512, 512, 10), "relu", "softmax", cross_entropy, 128)
    yield mnist
    yield Workload("large", 1024, (4096, 4096, 1024), "relu", "linear", mse, 1024)
    yield Workload("skinny", 256, (1024, 1024, 1), "relu", "linear", mse, 8, learning_rate=0.01)
    yield Workload("full-batch", 4, (32, 16, 4), "tanh", "linear", mse, 10_000, "adam", 1e-3)
    yield Workload("f64-small", 24, (8, 2), "tanh", "linear", mse, 200, dtype="float64")
    yield Workload("f64-medium", 100, (200, 200, 1), "relu", "linear", mse, 64, dtype="float64",
                   learning_rate=0.01)  # fmt: skip
    yield replace(control, name="adam-control", optimizer="adam", learning_rate=1e-3)
    yield replace(mnist, name="adam-mnist", optimizer="adam", learning_rate=1e-3)


WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in _list()}
