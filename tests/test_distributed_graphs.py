"""Graphs on several ranks: heads, embeddings, batch normalisation, penalties, constraints."""

import faulthandler
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, ops
from densecore.callbacks import BackupAndRestore, Callback
from densecore.distributed import Threads, run_threads

WAIT = 20.0  # seconds that a rank waits for the others


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def state(model: Any) -> bytes:
    arrays = [*model.weights, *model._network.optimizer_states().values()]
    return b"".join(array.tobytes() for array in arrays)


def two_heads(width: int = 12, dtype: str = "float32", **how: Any) -> dc.Model:
    """Two inputs, three outputs, one of which has no loss."""
    a, b = dc.Input(4, name="a"), dc.Input(3, name="b")
    trunk = layers.Concatenate()([dc.Dense(width, "relu")(a), dc.Dense(5, "tanh")(b)])
    trunk = layers.Dropout(0.2)(dc.Dense(width, "tanh", kernel_regularizer="l2")(trunk))
    outputs = {
        "kind": dc.Dense(3, "softmax", name="kind")(trunk),
        "size": dc.Dense(2, name="size")(trunk),
        "rest": dc.Dense(2, "tanh", name="rest")(trunk),
    }
    model = dc.Model([a, b], outputs, seed=1, dtype=dtype)
    compiled: dict[str, Any] = {
        "loss": {"kind": "sparse_categorical_crossentropy", "size": "mae"},
        "loss_weights": {"kind": 0.5, "size": 2.0},
        "metrics": {"kind": ["accuracy"]},
        "weighted_metrics": {"size": ["mse"]},
        **how,
    }
    model.compile("adam", **compiled)
    return model


def two_data(rows: int, dtype: str = "float32") -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(3)
    x = [rng.normal(size=(rows, 4)).astype(dtype), rng.normal(size=(rows, 3)).astype(dtype)]
    y = {"kind": rng.integers(0, 3, rows), "size": rng.normal(size=(rows, 2)).astype(dtype)}
    weights = {"kind": rng.uniform(0, 2, rows), "size": rng.uniform(0.5, 1, rows)}
    return x, y, weights


def embedded(dtype: str = "float32", **how: Any) -> dc.Model:
    """A table that two columns share, and one for a third."""
    numbers, others = dc.Input(2, name="numbers"), dc.Input(3, name="others")
    third = dc.Input(1, name="third")
    both = layers.Flatten()(layers.Embedding(7, 3)(numbers))
    one = layers.Flatten()(layers.Embedding(5, 2)(third))
    hidden = dc.Dense(8, "relu")(layers.Concatenate()([both, others, one]))
    model = dc.Model([numbers, others, third], dc.Dense(1)(hidden), seed=1, dtype=dtype)
    model.compile(**{"optimizer": "adam", "loss": "mse", **how})
    return model


def embedded_data(rows: int, dtype: str = "float32") -> tuple[Any, Any, None]:
    rng = np.random.default_rng(3)
    x = [rng.integers(0, 7, (rows, 2)), rng.normal(size=(rows, 3)).astype(dtype),
         rng.integers(0, 5, (rows, 1))]  # fmt: skip
    return x, rng.normal(size=(rows, 1)).astype(dtype), None


def normalized(units: int = 10, dtype: str = "float32", **how: Any) -> dc.Sequential:
    model = dc.Sequential(
        [dc.Input(4), dc.Dense(units), layers.BatchNormalization(), layers.Activation("relu"),
         layers.Dropout(0.1), dc.Dense(units, "tanh"),
         layers.BatchNormalization(center=False, momentum=0.9), dc.Dense(1)],
        seed=1, dtype=dtype,
    )  # fmt: skip
    # Adam would turn the rounding of gradients that are 0 (of a bias before a mean) into steps.
    model.compile(**{"optimizer": dc.optimizers.SGD(0.01, momentum=0.9), "loss": "mse", **how})
    return model


def plain_data(rows: int, dtype: str = "float32") -> tuple[Any, Any, None]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(rows, 4)).astype(dtype)
    return x, np.sin(x[:, :1]), None


def penalized(dtype: str = "float32", **how: Any) -> dc.Sequential:
    model = dc.Sequential(
        [dc.Input(4), dc.Dense(8, "relu", activity_regularizer=dc.regularizers.L2(0.01)),
         dc.Dense(6, "tanh", kernel_constraint=dc.constraints.MaxNorm(0.7)), dc.Dense(1)],
        seed=1, dtype=dtype,
    )  # fmt: skip
    model.compile(**{"optimizer": "sgd", "loss": "mse", **how})
    return model


def members(dtype: str = "float32", **how: Any) -> dc.Sequential:
    """Members that share a backbone, bins, learnt activations; decay and dropout by the step."""
    model = dc.Sequential(
        [dc.Input(4), layers.PiecewiseLinearEmbedding(3),
         layers.BatchEnsembleDense(6, members=3), layers.ParametricActivation("tanh"),
         layers.Dropout(lambda step: 0.5 / (1 + step)), layers.EnsembleDense(2),
         layers.Flatten(), dc.Dense(1)],
        seed=1, dtype=dtype,
    )  # fmt: skip
    rule = dc.optimizers.AdamW(0.01, weight_decay=dc.schedules.InverseTimeDecay(0.3, 1, 1))
    model.compile(**{"optimizer": rule, "loss": "mse", **how})
    return model


class Gated(layers.Layer):
    """Weights of its own, layers, one of them called twice, dropout, an addition to the loss."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units
        self.inner, self.drop = layers.Dense(units, "tanh"), layers.Dropout(0.2)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.factors = self.add_weight((self.units,), "ones", name="factors")

    def call(self, x: Any, training: Any = None) -> Any:
        h = self.inner(x) * self.factors
        self.add_loss(0.1 * ops.mean(h * h))  # `square` would run in Python
        h = h + ops.sigmoid(ops.matmul(x, self.kernel)) * self.inner(x + x)
        return self.drop(h, training=training)


class OwnModel(dc.Model):
    def __init__(self, **general: Any) -> None:
        super().__init__(**general)
        self.gated, self.end = Gated(7), layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.end(self.gated(x))


def own_layers(dtype: str = "float32", **how: Any) -> dc.Model:
    x = dc.Input(4)
    model = dc.Model(x, layers.Dense(1)(Gated(6)(Gated(5)(x))), seed=1, dtype=dtype)
    model.compile(**{"optimizer": "adam", "loss": "mse", "metrics": ["mae"], **how})
    return model


def own_model(dtype: str = "float32", **how: Any) -> dc.Model:
    model = OwnModel(seed=1, dtype=dtype)
    model.build((None, 4))
    model.compile(**{"optimizer": "adam", "loss": "mse", **how})
    return model


MODELS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "own layers": (own_layers, plain_data),
    "own model": (own_model, plain_data),
    "heads": (two_heads, two_data),
    "embeddings": (embedded, embedded_data),
    "penalties and constraints": (penalized, plain_data),
    "members": (members, plain_data),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("rows", "batch"), [(150, 32), (900, 700)])
def test_any_number_of_ranks_gives_the_bits_of_one_process(
    name: str, rows: int, batch: int
) -> None:
    make, data = MODELS[name]
    x, y, weights = data(rows)
    how: dict[str, Any] = {"batch_size": batch, "epochs": 2, "sample_weight": weights, "verbose": 0}
    alone = make()
    history = alone.fit(x, y, **how).history
    for ranks in (1, 2, 4):

        def train(comm: Threads) -> tuple[Any, bytes]:
            model = make()
            found = model.fit(x, y, comm=comm, **how).history
            return found, state(model)

        for found, bits in run_threads(ranks, train, WAIT):
            assert bits == state(alone)
            assert found.keys() == history.keys()
            for key, values in history.items():
                np.testing.assert_allclose(found[key], values, rtol=1e-12)


def normalized_vectors(dtype: str = "float32") -> dc.Sequential:
    """Rows of two vectors, which are normalised as rows are."""
    model = dc.Sequential(
        [dc.Input(4), layers.Reshape((2, 2)), dc.Dense(6, "tanh"), layers.BatchNormalization(),
         layers.Flatten(), dc.Dense(1)],
        seed=1, dtype=dtype,
    )  # fmt: skip
    model.compile(dc.optimizers.SGD(0.01, momentum=0.9), "mse")
    return model


@pytest.mark.parametrize(
    "make", [lambda: normalized(10), lambda: normalized(300), normalized_vectors]
)
def test_batch_normalisation_sees_all_ranks(make: Any) -> None:
    x, y, _ = plain_data(330)
    how: dict[str, Any] = {"batch_size": 110, "epochs": 2, "verbose": 0}
    alone = make()
    history = alone.fit(x, y, **how).history

    def train(comm: Threads) -> tuple[bytes, Any, Any]:
        model = make()
        found = model.fit(x, y, comm=comm, **how).history
        return state(model), found, [array.copy() for array in model.weights]

    bits = set()
    for ranks in (1, 2, 4, 8):
        for mine, found, weights in run_threads(ranks, train, WAIT):
            bits.add(mine)
            np.testing.assert_allclose(found["loss"], history["loss"], rtol=1e-4)
            for array, wanted in zip(weights, alone.weights, strict=True):
                np.testing.assert_allclose(array, wanted, rtol=1e-3, atol=1e-5)
    assert len(bits) == 1


def test_functions_in_python_have_the_same_bits_on_any_ranks() -> None:
    x, y, _ = plain_data(330)
    how: dict[str, Any] = {"batch_size": 110, "epochs": 2, "verbose": 0}

    def made() -> dc.Model:
        a = dc.Input(4)
        h = 1 - layers.Dense(8, "tanh")(a)
        model = dc.Model(a, layers.Dense(1)(h * ops.exp(-ops.square(h))), seed=1)
        model.compile(dc.optimizers.SGD(0.01, momentum=0.9), "mse")
        return model

    alone = made()
    alone.fit(x, y, **how)

    def train(comm: Threads) -> tuple[bytes, Any]:
        model = made()
        model.fit(x, y, comm=comm, **how)
        return state(model), model.parameters.copy()

    bits = set()
    for ranks in (1, 2, 4):
        for mine, parameters in run_threads(ranks, train, WAIT):
            bits.add(mine)
            np.testing.assert_allclose(parameters, alone.parameters, rtol=1e-3, atol=1e-5)
    assert len(bits) == 1


GRADIENTS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    **MODELS,
    "batch normalisation": (normalized, plain_data),
}


def rows_of(given: Any, own: slice) -> Any:
    if isinstance(given, dict):
        return {name: part[own] for name, part in given.items()}
    if isinstance(given, list):
        return [part[own] for part in given]
    return None if given is None else given[own]


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("bounds", [(0, 90, 90, 200), (0, 1, 200), (0, 0, 200)])
def test_gradients_of_uneven_parts_are_exact(name: str, bounds: tuple[int, ...]) -> None:
    make, data = GRADIENTS[name]
    x, y, weights = data(200, "float64")
    alone = make(dtype="float64")
    if weights is None:
        weights = np.random.default_rng(1).uniform(0, 2, 200)
    expected = alone.loss_and_gradients(x, y, weights)
    step = make(dtype="float64").train_on_batch(x, y, weights)

    def part(comm: Threads) -> tuple[Any, Any, Any]:
        model = make(dtype="float64")
        own = slice(bounds[comm.rank], bounds[comm.rank + 1])
        mine = rows_of(x, own), rows_of(y, own), rows_of(weights, own)
        found = model.loss_and_gradients(*mine, comm=comm)
        gradients = model.gradients.copy()
        return found, gradients, model.train_on_batch(*mine, comm=comm)

    for found, gradients, of_step in run_threads(len(bounds) - 1, part, WAIT):
        assert found == pytest.approx(expected, rel=1e-13)
        largest = max(1.0, float(np.abs(alone.gradients).max()))
        np.testing.assert_allclose(gradients, alone.gradients, rtol=0, atol=2e-15 * largest)
        np.testing.assert_allclose(of_step, step, rtol=1e-13)


def test_rows_of_one_s_own_with_weights_on_one_rank() -> None:
    """Weights for each output on one rank, for all outputs on another, none on a third."""
    x, y, weights = two_data(300, "float64")
    whole = {name: np.array(array) for name, array in weights.items()}
    for name in whole:
        whole[name][100:200] = weights["kind"][100:200]
        whole[name][200:] = 1
    alone = two_heads(dtype="float64")
    history = alone.fit(x, y, sample_weight=whole, batch_size=300, epochs=2, shuffle=False,
                        verbose=0).history  # fmt: skip

    def train(comm: Threads) -> Any:
        own = slice(100 * comm.rank, 100 * comm.rank + 100)
        mine = [rows_of(weights, own), weights["kind"][own], None][comm.rank]
        model = two_heads(dtype="float64")
        found = model.fit(rows_of(x, own), rows_of(y, own), sample_weight=mine, batch_size=300,
                          epochs=2, shuffle=False, verbose=0, comm=comm)  # fmt: skip
        return found.history, model.parameters.copy()

    for found, parameters in run_threads(3, train, WAIT):
        for key, values in history.items():
            np.testing.assert_allclose(found[key], values, rtol=1e-9)
        np.testing.assert_allclose(parameters, alone.parameters, rtol=0, atol=1e-9)


def looked_up(words: list[str], norm: float = 2.0) -> dc.Model:
    text, number = dc.Input(1, dtype="string", name="text"), dc.Input(2, name="number")
    found = layers.StringLookup(vocabulary=words, output_mode="one_hot")(text)
    hidden = layers.Concatenate()([found, number])
    constraint = dc.constraints.MaxNorm(norm)
    model = dc.Model([text, number], dc.Dense(1, kernel_constraint=constraint)(hidden), seed=1)
    model.compile("adam", "mse")
    return model


def test_layers_of_preprocessing() -> None:
    rng = np.random.default_rng(0)
    x = [rng.choice(["a", "b", "c"], (120, 1)), rng.normal(size=(120, 2)).astype("f4")]
    y = rng.normal(size=(120, 1)).astype("f4")
    alone = looked_up(["a", "b", "c"])
    alone.fit(x, y, epochs=2, verbose=0)

    def train(comm: Threads) -> bytes:
        model = looked_up(["a", "b", "c"])
        model.fit(x, y, epochs=2, comm=comm, verbose=0)
        return state(model)

    assert set(run_threads(2, train, WAIT)) == {state(alone)}

    def differs(comm: Threads) -> str:
        found = []
        for model in (
            looked_up(["a", "b", "c"] if comm.rank != 1 else ["b", "a", "c"]),
            looked_up(["a", "b", "c"], norm=2.0 if comm.rank != 1 else 3.0),
        ):
            with pytest.raises(ValueError, match="comm: rank 1") as raised:
                model.fit(x, y, epochs=2, comm=comm, verbose=0)
            found.append(str(raised.value))
        return " ".join(found)

    (said,) = set(run_threads(3, differs, WAIT))
    assert "preprocessing: found" in said
    assert "constraints: found" in said


class RaisesAt(Callback):
    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == self.step:
            raise ZeroDivisionError("out of luck")


@pytest.mark.parametrize("name", GRADIENTS)
def test_an_error_on_one_rank_ends_all_between_the_sums(name: str) -> None:
    make, data = GRADIENTS[name]
    x, y, _ = data(300)

    def train(comm: Threads) -> tuple[int, bytes]:
        model = make()
        callbacks = [RaisesAt(2)] if comm.rank == 1 else []
        with pytest.raises(ZeroDivisionError, match="out of luck"):
            model.fit(x, y, batch_size=50, epochs=3, comm=comm, callbacks=callbacks)
        return model.progress["steps"], state(model)

    found = set(run_threads(2, train, WAIT))
    assert len(found) == 1
    assert found.pop()[0] == 2


def test_a_stopped_epoch_of_several_outputs_goes_on(tmp_path: Any) -> None:
    """The sums of each output are in the file of a training that a signal ends."""
    x, y, _ = two_data(200)
    how: dict[str, Any] = {"batch_size": 40, "epochs": 2, "verbose": 0}
    whole = two_heads(metrics=None, weighted_metrics=None)
    history = whole.fit(x, y, **how).history

    class Stops(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 2 and self.model.progress["epochs"] == 1:
                self.run.signals.append(15)  # type: ignore[attr-defined]

    from densecore.models import shared_run

    before = shared_run.SharedRun.train
    stops = Stops()

    def train(run: Any, *arguments: Any) -> Any:
        stops.run = run  # type: ignore[attr-defined]
        return before(run, *arguments)

    backup = lambda: BackupAndRestore(tmp_path / "backup")  # noqa: E731
    first = two_heads(metrics=None, weighted_metrics=None)
    shared_run.SharedRun.train = train  # type: ignore[method-assign]
    try:
        with pytest.raises(SystemExit):
            first.fit(x, y, comm=dc.distributed.Serial(), callbacks=[backup(), stops], **how)
    finally:
        shared_run.SharedRun.train = before  # type: ignore[method-assign]
    second = two_heads(metrics=None, weighted_metrics=None)
    found = second.fit(x, y, comm=dc.distributed.Serial(), callbacks=[backup()], **how).history
    assert state(second) == state(whole)
    for key, values in history.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-12)


# Losses that are Python functions -----------------------------------------------------------------


def squares(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


class Skewed(dc.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        e = y_true - y_pred
        return ops.mean(ops.maximum(0.9 * e, -0.1 * e) + ops.log(1 + e * e), axis=-1)


def with_function(loss: Any, hidden: int = 8, dtype: str = "float32", **how: Any) -> dc.Model:
    x = dc.Input(4)
    shared = layers.Dense(hidden, "tanh", kernel_regularizer="l2")
    h = layers.concatenate([shared(x), shared(1 - x)])
    out = layers.Dense(1)(layers.LayerNormalization()(h))
    model = dc.Model(x, out, seed=1, dtype=dtype)
    model.compile(**{"optimizer": "adam", "loss": loss, **how})
    return model


@pytest.mark.parametrize("loss", [squares, Skewed()], ids=["function", "class"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("rows", "batch", "hidden"), [(150, 32, 8), (900, 700, 8), (90, 64, 300)])
def test_a_function_of_rows_is_a_sum_over_ranks(
    loss: Any, weighted: bool, rows: int, batch: int, hidden: int
) -> None:
    x, y, _ = plain_data(rows, "float64")
    weights = np.random.default_rng(1).uniform(0, 2, rows) if weighted else None
    how: dict[str, Any] = {"batch_size": batch, "epochs": 2, "sample_weight": weights, "verbose": 0}
    alone = with_function(loss, hidden, "float64", metrics=["mae"])
    history = alone.fit(x, y, **how).history
    bits = set()
    for ranks in (1, 2, 4):

        def train(comm: Threads) -> tuple[Any, bytes, Any]:
            model = with_function(loss, hidden, "float64", metrics=["mae"])
            found = model.fit(x, y, comm=comm, **how).history
            return found, state(model), model.parameters.copy()

        for found, own, parameters in run_threads(ranks, train, WAIT):
            bits.add(own)
            np.testing.assert_allclose(parameters, alone.parameters, rtol=0, atol=1e-10)
            for key, values in history.items():
                np.testing.assert_allclose(found[key], values, rtol=1e-9)
    assert len(bits) == 1


@pytest.mark.parametrize("bounds", [(0, 90, 90, 200), (0, 1, 200), (0, 0, 200)])
def test_a_function_on_uneven_parts_is_exact(bounds: tuple[int, ...]) -> None:
    x, y, _ = plain_data(200, "float64")
    weights = np.random.default_rng(1).uniform(0, 2, 200)
    alone, cored = (with_function(loss, dtype="float64") for loss in (squares, "mse"))
    expected = alone.loss_and_gradients(x, y, weights)
    assert expected == pytest.approx(cored.loss_and_gradients(x, y, weights), rel=1e-12)

    def part(comm: Threads) -> tuple[Any, Any, Any]:
        model = with_function(squares, dtype="float64")
        own = slice(bounds[comm.rank], bounds[comm.rank + 1])
        found = model.loss_and_gradients(x[own], y[own], weights[own], comm=comm)
        gradients = model.gradients.copy()
        return found, gradients, model.train_on_batch(x[own], y[own], weights[own], comm=comm)

    for found, gradients, of_step in run_threads(len(bounds) - 1, part, WAIT):
        assert found == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(gradients, alone.gradients, rtol=0, atol=1e-14)
        assert of_step == pytest.approx(expected, rel=1e-12)


def one_number(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(y_true - y_pred))


def own_gradient(y_true: Any, y_pred: Any) -> Any:
    return float(np.mean((y_pred - y_true) ** 2)), 2 * (y_pred - y_true) / y_true.size


def beside(layer: Any) -> Callable[[], dc.Model]:
    def made() -> dc.Model:
        model = dc.Sequential([dc.Input(4), dc.Dense(3), layer(), dc.Dense(1)], seed=1)
        model.compile("sgd", squares)
        return model

    return made


def two_outputs() -> dc.Model:
    x = dc.Input(4)
    model = dc.Model(x, [dc.Dense(1)(x), dc.Dense(1)(x)], seed=1)
    model.compile("sgd", [squares, "mse"])
    return model


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: with_function(one_number), "loss one_number, which returns one number for all"),
        (lambda: with_function(own_gradient), "loss own_gradient, which returns one number for a"),
        (lambda: with_function(Skewed(reduction="sum")), "with reduction='sum', wanted 'sum_over"),
        (beside(lambda: layers.Dropout(0.5)), "squares, which is a Python function, beside a lay"),
        (beside(layers.BatchNormalization), "statistics of the batch"),
        (beside(lambda: layers.ActivityRegularization(0.1)), "penalties of its outputs"),
        (two_outputs, "several outputs, of which one has a loss that is a Python function"),
    ],
)
def test_functions_that_are_no_sums_over_ranks_are_refused(make: Any, said: str) -> None:
    x, y, _ = plain_data(64)

    def train(comm: Threads) -> tuple[str, bool]:
        model = make()
        before = model.parameters.copy()
        given = [y, y] if len(model.outputs) > 1 else y
        with pytest.raises(ValueError, match="comm: found") as raised:
            model.fit(x, given, batch_size=32, comm=comm, verbose=0)
        return str(raised.value), bool((model.parameters == before).all())

    for text, same in run_threads(2, train, WAIT):
        assert said in text
        assert same


def power_penalty(weights: Any) -> Any:
    return 0.01 * ops.sum(ops.abs(weights) ** 1.5)


class Centred(layers.Layer):
    def call(self, x: Any) -> Any:
        return x - ops.mean(x, axis=0, keepdims=True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: [dc.Dense(4, kernel_regularizer=power_penalty)],
            "a regularizer of the layer .* that is a Python function",
        ),
        (
            lambda: [dc.Dense(4), Centred()],
            "a function of symbols whose result for a row follows from other rows",
        ),
    ],
)
def test_what_is_computed_in_python_of_all_rows_is_refused(
    make: Callable[[], list[Any]], said: str
) -> None:
    """A rank would leave out the penalty, or take its own rows for all of them."""

    def work(comm: Threads) -> None:
        model = dc.Sequential([dc.Input(3), *make(), dc.Dense(1)], seed=0)
        model.compile("sgd", "mse")
        with pytest.raises((TypeError, ValueError), match=said):
            model.fit(np.ones((20, 3)), np.ones(20), verbose=0, comm=comm)

    run_threads(2, work, WAIT)
