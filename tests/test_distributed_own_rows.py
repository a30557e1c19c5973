"""Ranks with rows of their own: what they add up to is what one process has of all rows."""

import faulthandler
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.callbacks import Callback, LambdaCallback
from densecore.distributed import Threads, run_threads

WAIT = 20.0  # seconds that a rank waits for the others
X = np.random.default_rng(0).normal(size=(60, 4))
Y = (X[:, :1] > 0).astype("float64")
BOUNDS = [(0, 50, 55, 60), (0, 20, 20, 60), (0, 0, 60)]


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def model(**how: Any) -> dc.Sequential:
    layers = [dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(1, "sigmoid")]
    made = dc.Sequential(layers, seed=0, dtype="float64")
    made.compile(**{"optimizer": "sgd", "loss": "binary_crossentropy", **how})
    return made


def on_parts(bounds: tuple[int, ...], train: Callable[[Any, slice], Any]) -> list[Any]:
    """What `train(comm, rows)` returns on each rank, with its rows."""
    return run_threads(
        len(bounds) - 1,
        lambda comm: train(comm, slice(bounds[comm.rank], bounds[comm.rank + 1])),
        WAIT,
    )


@pytest.mark.parametrize(("form", "bounds"), [
    *(("arrays", bounds) for bounds in BOUNDS), ("batches", (0, 50, 55, 60))
])  # fmt: skip
def test_a_validation_counts_the_rows_of_all_ranks(form: str, bounds: tuple[int, ...]) -> None:
    """Also by metrics that are no means over rows."""
    metrics = ["accuracy", dc.metrics.AUC(), dc.metrics.RootMeanSquaredError()]

    def batches(rows: slice) -> Any:
        x, y = X[rows], Y[rows]
        cuts = range(0, len(x), 7)
        return [(x[i : i + 7], y[i : i + 7]) for i in cuts]

    def train(comm: Any, rows: slice) -> Any:
        given = batches(rows) if form == "batches" else (X[rows], Y[rows])
        return model(metrics=metrics).fit(
            X, Y, epochs=2, batch_size=20, verbose=0, validation_data=given, comm=comm
        ).history  # fmt: skip

    wanted = train(None, slice(None))
    for found in on_parts(bounds, train):
        assert found.keys() == wanted.keys()
        for key, values in wanted.items():
            np.testing.assert_allclose(found[key], values, rtol=1e-9)


def test_a_validation_on_files_is_that_of_one_process(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    shards = dc.data.Shards(tmp_path / "x.npy", tmp_path / "y.npy")

    def train(comm: Any) -> Any:
        made = model(metrics=[dc.metrics.AUC()])
        return made.fit(shards, batch_size=20, verbose=0, validation_data=shards, comm=comm).history

    wanted = train(None)
    for key, values in run_threads(3, train, WAIT)[2].items():
        np.testing.assert_allclose(values, wanted[key], rtol=1e-12)


def test_averages_are_swapped_in_for_validation_on_all_ranks() -> None:
    """Hooks around a validation run on ranks without rows, too."""

    def train(comm: Any, rows: slice) -> Any:
        made = model(optimizer=dc.optimizers.SGD(0.5, use_ema=True))
        found = made.fit(X, Y, epochs=2, batch_size=20, verbose=0, comm=comm,
                         validation_data=(X[rows], Y[rows]),
                         callbacks=[dc.callbacks.SwapEMAWeights()]).history  # fmt: skip
        return found["val_loss"], made.parameters.tobytes()

    loss, bits = train(None, slice(None))
    for found, mine in on_parts((0, 60, 60), train):
        np.testing.assert_allclose(found, loss, rtol=1e-12)
        assert mine == bits


def test_a_hook_of_a_validation_that_raises_raises_on_all_ranks() -> None:
    def train(comm: Any, rows: slice) -> Any:
        def fail(logs: Any) -> None:
            raise ZeroDivisionError("out of luck")

        hooks = [LambdaCallback(on_test_end=fail)] if comm.rank == 1 else []
        with pytest.raises(ZeroDivisionError, match="rank 1: out of luck"):
            model(metrics=["accuracy"]).fit(
                X, Y, verbose=0, validation_data=(X[rows], Y[rows]), comm=comm, callbacks=hooks
            )

    on_parts((0, 30, 60), train)


@pytest.mark.parametrize("steps", [2, 3, 9])
def test_steps_of_an_epoch_are_those_of_all_rows(steps: int) -> None:
    def train(comm: Any, rows: slice) -> Any:
        made = model()
        made.fit(X[rows], Y[rows], batch_size=20, epochs=3, steps_per_epoch=steps, verbose=0,
                 comm=comm)  # fmt: skip
        return made.progress

    with warnings.catch_warnings():
        warnings.simplefilter("error" if steps <= 3 else "ignore")
        wanted = train(None, slice(None))
        assert on_parts((0, 40, 50, 60), train) == [wanted] * 3


def test_every_row_is_seen_within_two_epochs_of_half_the_steps() -> None:
    seen: list[float] = []

    def train(comm: Any, rows: slice) -> None:
        made = dc.Sequential([dc.Input(1), dc.Dense(1)], seed=0)
        made.compile(dc.optimizers.SGD(0.0), "mse", metrics=[note])
        values = np.arange(60.0)[rows, None]
        made.fit(values, values, batch_size=10, epochs=2, steps_per_epoch=3, verbose=0, comm=comm)

    def note(y_true: Any, y_pred: Any) -> float:
        seen.extend(np.asarray(y_true).ravel().tolist())
        return 0.0

    on_parts((0, 45, 60), train)
    assert set(seen) == set(range(60))


def test_weights_that_are_zeros_on_one_rank() -> None:
    weight = np.ones(60)
    weight[40:50] = 0

    def fit(comm: Any, rows: slice) -> Any:
        made = model()
        made.fit(X[rows], Y[rows], sample_weight=weight[rows], batch_size=60, shuffle=False,
                 verbose=0, comm=comm)  # fmt: skip
        return made.parameters.copy()

    def step(comm: Any, rows: slice) -> Any:
        made = model()
        made.train_on_batch(X[rows], Y[rows], weight[rows], comm=comm)
        made.train_on_batch(X[rows], Y[rows], class_weight={0: 0.0, 1: 2.0}, comm=comm)
        return made.parameters.copy()

    for train in (fit, step):
        wanted = train(None, slice(None))
        for found in on_parts((0, 40, 50, 60), train):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)

    def refused(comm: Any, rows: slice) -> Any:
        made = model()
        for call in (made.fit, made.train_on_batch):
            with pytest.raises(ValueError, match="found only zeros"):
                call(X[rows], Y[rows], sample_weight=0 * weight[rows], comm=comm)

    on_parts((0, 40, 60), refused)


def test_a_class_without_weight_in_files(tmp_path: Any) -> None:
    """A rank may have nothing but rows of that class in a step."""
    order = np.argsort(Y[:, 0])
    np.save(tmp_path / "x.npy", X[order])
    np.save(tmp_path / "y.npy", Y[order])
    shards = dc.data.Shards(tmp_path / "x.npy", tmp_path / "y.npy", lanes=2)

    def train(comm: Any) -> bytes:
        made = model()
        made.fit(shards, batch_size=8, shuffle=False, verbose=0, comm=comm,
                 class_weight={0: 0.0, 1: 1.0})  # fmt: skip
        return made.parameters.tobytes()

    assert set(run_threads(2, train, WAIT)) == {train(None)}


def test_class_weights_of_a_step_are_refused_on_all_ranks() -> None:
    def train(comm: Threads) -> str:
        made, factors = model(), {0: [1.0, -1.0][comm.rank]}
        with pytest.raises(ValueError, match="rank 1: class_weight: found -1") as raised:
            made.train_on_batch(X, Y, class_weight=factors, comm=comm)
        return str(raised.value)

    assert len(set(run_threads(2, train, WAIT))) == 1


def test_a_learning_rate_that_one_rank_sets_before_a_step_is_that_of_all() -> None:
    class Slower(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.1 / (1 + batch)

    def train(comm: Any) -> bytes:
        made = model()
        given = [Slower()] if comm is None or comm.rank == 0 else []
        made.fit(X, Y, batch_size=20, epochs=2, verbose=0, comm=comm, callbacks=given)
        return made.parameters.tobytes()

    assert set(run_threads(2, train, WAIT)) == {train(None)}


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_metrics_of_outputs_of_several_vectors(loss: str) -> None:
    rng = np.random.default_rng(1)
    y: Any = rng.integers(0, 3, (60, 2))
    if not loss.startswith("sparse"):
        y = np.eye(3)[y]

    def train(comm: Any) -> Any:
        made = dc.Sequential(
            [dc.Input(4), dc.Dense(6), dc.layers.Reshape((2, 3)), dc.layers.Softmax()],
            seed=0, dtype="float64",
        )  # fmt: skip
        made.compile("sgd", loss, metrics=["accuracy"])
        found = made.fit(X, y, batch_size=20, verbose=0, validation_split=0.2, comm=comm).history
        return {**found, "step": made.train_on_batch(X, y, comm=comm)}

    for found in run_threads(2, train, WAIT):
        for key, values in train(None).items():
            np.testing.assert_allclose(found[key], values, rtol=1e-12)


def test_models_with_steps_of_their_own_are_refused_by_name() -> None:
    class Own(dc.Sequential):
        def train_step(self, data: Any) -> Any:
            return super().train_step(data)

    def train(comm: Threads) -> str:
        made = Own([dc.Input(4), dc.Dense(1)], seed=0)
        made.compile("sgd", "mse")
        with pytest.raises(ValueError, match="model Own with a train_step of its own") as raised:
            made.fit(X, Y, comm=comm)
        return str(raised.value)

    assert len(set(run_threads(2, train, WAIT))) == 1
