"""Networks in the lanes of one vector have the bits of the same networks alone, on every level."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import NETWORKS

ENSEMBLES = {"float32": dc._core.EnsembleF32, "float64": dc._core.EnsembleF64}
LOSSES = [
    ("mean_squared_error", "sigmoid", False),
    ("mean_squared_error", "linear", False),
    ("binary_crossentropy", "sigmoid", False),
    ("binary_crossentropy", "linear", True),
    ("categorical_crossentropy", "softmax", False),
    ("sparse_categorical_crossentropy", "softmax", False),
    ("sparse_categorical_crossentropy", "linear", True),
]
ROWS = 70  # more than the kernel takes in one call


def specs_of(layers: list[tuple[int, str, bool]]) -> list[dict[str, Any]]:
    return [
        {"kind": "dense", "units": units, "activation": name, "activation_parameters": [],
         "use_bias": bias}
        for units, name, bias in layers
    ]  # fmt: skip


class Problem:
    """An ensemble of the core, and the networks that its members must equal."""

    def __init__(
        self,
        layers: list[tuple[int, str, bool]],
        loss: tuple[str, bool],
        optimizers: list[Any],
        dtype: str = "float32",
        level: str | None = None,
        inputs: int = 5,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        rng = np.random.default_rng(3)
        self.n, outputs = len(optimizers), layers[-1][0]
        self.x = rng.normal(size=(ROWS, inputs)).astype(dtype)
        self.y: Any = rng.dirichlet(np.ones(outputs), ROWS).astype(dtype)
        if loss[0].startswith("sparse"):
            self.y = rng.integers(0, outputs, ROWS).astype(np.int32)
        self.seeds = [5 * i for i in range(self.n)]
        specs = specs_of(layers)
        self.many = ENSEMBLES[dtype](inputs, specs, self.n, level)
        self.many.seeds = self.seeds
        self.many.parameters[...] = 0.5 * rng.normal(size=self.many.parameters.shape)
        made = [dc.optimizers.get(o) for o in optimizers]
        settings = [o._settings for o in made]
        self.many.compile(loss[0], reduction, settings, [], loss[1], [])
        self.alone = []
        for i in range(self.n):
            network = NETWORKS[dtype](inputs, specs, level)
            network.parameters[...] = self.many.parameters[i]
            other = dc.optimizers.get(optimizers[i] if isinstance(optimizers[i], str)
                                      else optimizers[i].get_config())  # fmt: skip
            network.compile(loss[0], reduction, other._settings, [], self.seeds[i], loss[1])
            self.alone.append(network)

    def fit(self, shuffle: bool, epochs: int = 2, rows: Any = None, validate: bool = False) -> None:
        """Both, and compare all that is left of it."""
        values = 2 if validate else 1
        report = np.full((epochs, values, self.n), np.nan)
        held_out = ([self.x], [self.y], None, None) if validate else None
        self.many.fit(([self.x], [self.y], None, rows), held_out, epochs, 1, shuffle, report)
        for i, network in enumerate(self.alone):
            own = slice(None) if rows is None else rows[i]
            results: list[Any] = []
            validation = (self.x, self.y, None) if validate else None
            x, y = self.x[own], self.y[own]
            network.fit(x, y, None, validation, epochs, 1, shuffle, results)
            assert report[:, :, i].T.tolist() == results, f"member {i}"
        self.compare()

    def compare(self) -> None:
        steps, epochs = self.many.progress()
        for i, network in enumerate(self.alone):
            assert self.many.parameters[i].tobytes() == network.parameters.tobytes(), f"member {i}"
            states = network.optimizer_states()
            for name, state in self.many.optimizer_states(i).items():
                assert state.tobytes() == states[name].tobytes(), f"member {i}: {name}"
            assert (steps[i], epochs[i]) == (network.steps, network.epochs)


def rates(n: int, name: str = "sgd") -> list[Any]:
    made = []
    for i in range(n):
        optimizer = dc.optimizers.get(name)
        optimizer.learning_rate = 0.02 * (1 + i % 4)
        made.append(optimizer)
    return made


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "relu", "linear"])
@pytest.mark.parametrize(("loss", "last", "logits"), LOSSES)
def test_same_bits_as_alone(
    loss: str, last: str, logits: bool, hidden: str, optimizer: str, dtype: str, level: str
) -> None:
    bias = hidden != "tanh"
    layers = [(4, hidden, bias), (3, hidden, True), (2, last, bias)]
    # A vector and a part of one, on every level.
    problem = Problem(layers, (loss, logits), rates(19, optimizer), dtype, level)
    problem.fit(shuffle=False)
    problem.fit(shuffle=True)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "sum_over_outputs"])
@pytest.mark.parametrize(
    ("inputs", "units"),
    [(1, [1]), (64, [16, 16]), (7, [9, 16, 11]), (3, [2] * 8), (12, [8, 5, 13, 4]), (5, [17, 2]),
     (65, [4, 2]), (3, [2] * 9)],
)  # fmt: skip
def test_widths_and_depths(
    inputs: int, units: list[int], reduction: str, dtype: str, level: str
) -> None:
    """Also those just beyond what the kernel takes."""
    layers = [(width, "tanh", True) for width in units]
    for loss in ("mean_squared_error", "sparse_categorical_crossentropy"):
        layers[-1] = (units[-1], "softmax" if loss.startswith("sparse") else "linear", True)
        problem = Problem(layers, (loss, False), rates(18), dtype, level, inputs, reduction)
        problem.fit(shuffle=True, epochs=1)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 49])
def test_any_number_of_members_and_threads(n: int, threads: int) -> None:
    before = dc.get_num_threads()
    dc.set_num_threads(threads)
    try:
        layers = [(4, "sigmoid", True), (2, "linear", True)]
        problem = Problem(layers, ("mean_squared_error", False), rates(n))
        problem.fit(shuffle=True, validate=True)
    finally:
        dc.set_num_threads(before)


def test_members_that_do_not_fit_together() -> None:
    """Other rules, decay, schedules and other numbers of rows, in between."""
    optimizers: list[Any] = rates(40)
    optimizers[3] = dc.optimizers.Adam(0.01)
    optimizers[5] = dc.optimizers.SGD(0.1, momentum=0.5)
    optimizers[7] = dc.optimizers.SGD(0.1, weight_decay=0.1)
    optimizers[11] = dc.optimizers.SGD(dc.schedules.ExponentialDecay(0.1, 10, 0.5))
    optimizers[30:] = rates(10, "adam")
    layers = [(4, "sigmoid", True), (2, "linear", True)]
    rng = np.random.default_rng(0)
    rows = [rng.integers(ROWS, size=40 + 3 * (i % 3)) for i in range(40)]
    problem = Problem(layers, ("mean_squared_error", False), optimizers)
    for shuffle in (False, True):
        problem.fit(shuffle, rows=rows)


def test_states_that_have_decayed_are_zero(dtype: str, level: str) -> None:
    """An input that was there once: its weights' averages do not end as subnormal numbers."""
    optimizers = [dc.optimizers.Adam(0.01, beta_1=0.8) for _ in range(19)]
    layers = [(4, "sigmoid", True), (2, "linear", True)]
    problem = Problem(layers, ("mean_squared_error", False), optimizers, dtype, level)
    problem.x[1:, 0] = 0
    problem.fit(shuffle=False, epochs=1)
    problem.x[0, 0] = 0
    problem.fit(shuffle=False, epochs=50)
    for i in range(19):
        m = problem.many.optimizer_states(i)["m"]
        assert (m[:4] == 0).all()
        assert (m[4:] != 0).all()


@pytest.mark.parametrize("loss", ["mean_squared_error", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("each_x", [False, True])
@pytest.mark.parametrize("each_y", [False, True])
def test_steps_of_shared_and_own_rows(each_x: bool, each_y: bool, loss: str, dtype: str) -> None:
    sparse = loss.startswith("sparse")
    layers = [(4, "tanh", True), (3, "softmax" if sparse else "linear", True)]
    problem = Problem(layers, (loss, False), rates(37, "adam"), dtype)
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = rng.normal(size=(37, 1, 5) if each_x else (1, 5)).astype(dtype)
        shape = (37, 1) if each_y else (1,)
        y = rng.integers(0, 3, shape) if sparse else rng.normal(size=(*shape, 3)).astype(dtype)
        losses = problem.many.train_on_batch(x, y, None)
        for i, network in enumerate(problem.alone):
            own = (x[i] if each_x else x, y[i] if each_y else y)
            assert losses[i] == network.train_on_batch(*own, None)
    problem.compare()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_of_single_rows(optimizer: str, dtype: str, level: str) -> None:
    layers = [(4, "sigmoid", True), (3, "softmax", True)]
    problem = Problem(layers, ("sparse_categorical_crossentropy", False), rates(21, optimizer),
                      dtype, level)  # fmt: skip
    rng = np.random.default_rng(1)
    each_x = rng.normal(size=(21, 1, 5)).astype(dtype)
    each_y = rng.integers(0, 3, (21, 1))
    weight = np.full(1, 0.5, dtype)
    for step in range(4):
        each = step % 2 == 1
        x = each_x if each else problem.x[step : step + 1]
        y = each_y if each else problem.y[step : step + 1]
        w = weight if step == 3 else None
        losses = problem.many.train_on_batch(x, y, w)
        for i, network in enumerate(problem.alone):
            own = (x[i], y[i]) if each else (x, y)
            assert losses[i] == network.train_on_batch(*own, w)
        problem.compare()


def test_a_step_count_of_ones_own() -> None:
    """Adam's scalars depend on the steps so far, which members need not share."""
    layers = [(4, "tanh", True), (2, "linear", True)]
    problem = Problem(layers, ("mean_squared_error", False), ["adam"] * 9)
    for i in (2, 5):
        problem.many.set_progress(i, 100 * i, 0)
        problem.alone[i].steps = 100 * i
    problem.fit(shuffle=False)


def test_numbers_that_are_none() -> None:
    """A member that diverges does not touch its neighbours."""
    optimizers: list[Any] = rates(16)
    optimizers[4] = dc.optimizers.SGD(1e30)
    layers = [(4, "relu", True), (2, "linear", True)]
    problem = Problem(layers, ("mean_squared_error", False), optimizers)
    report = np.full((2, 1, 16), np.nan)
    problem.many.fit(([problem.x], [problem.y], None, None), None, 2, 1, False, report)
    for i, network in enumerate(problem.alone):
        network.fit(problem.x, problem.y, None, None, 2, 1, False, [])
        np.testing.assert_array_equal(problem.many.parameters[i], network.parameters)
    assert not np.isfinite(problem.many.parameters[4]).all()
    assert np.isfinite(np.delete(problem.many.parameters, 4, axis=0)).all()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_between_looks(optimizer: str, dtype: str) -> None:
    """Single steps leave the parameters in the lanes: who looks at them sees the last step, and
    what is written to them counts in the next one."""
    layers = [(4, "tanh", True), (2, "linear", True)]
    problem = Problem(layers, ("mean_squared_error", False), rates(19, optimizer), dtype)
    many, alone = problem.many, problem.alone
    x, y = problem.x[:1], problem.y[:1]

    def step(count: int) -> None:
        for _ in range(count):
            many.train_on_batch(x, y, None)
            for network in alone:
                network.train_on_batch(x, y, None)

    def check() -> None:
        for i, network in enumerate(alone):
            assert many.parameters[i].tobytes() == network.parameters.tobytes(), i
            states = many.optimizer_states(i)
            for name, values in network.optimizer_states().items():
                assert states[name].tobytes() == values.tobytes(), (i, name)

    step(3)
    check()
    step(2)
    view = many.parameters  # from here on every step is seen there
    step(2)
    for i, network in enumerate(alone):
        assert view[i].tobytes() == network.parameters.tobytes()
    view[7] *= 0.5
    alone[7].parameters[...] *= 0.5
    step(1)
    check()
    del view
    step(2)
    # Batches of several rows, which lanes do not take, go on from there.
    several = problem.x[:3], problem.y[:3]
    many.train_on_batch(*several, None)
    for network in alone:
        network.train_on_batch(*several, None)
    step(2)
    out = many.predict(x, None)
    for i, network in enumerate(alone):
        assert out[i].tobytes() == network.predict(x, None).tobytes()
    step(1)
    check()
