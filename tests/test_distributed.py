"""One model on several ranks: threads as ranks here, MPI's processes in test_distributed_mpi.py."""

import faulthandler
import pickle
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.callbacks import BackupAndRestore, Callback, EarlyStopping, ModelCheckpoint
from densecore.distributed import Group, Serial, Threads, as_comm, run_threads
from densecore.distributed.shares import dealt, given, leaves

WAIT = 20.0  # seconds that a rank waits for the others


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """No test waits for ever: one that does ends the run, with a traceback of all threads."""
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def small(seed: int = 1, dtype: str = "float32", **compiled: Any) -> dc.Sequential:
    layers = [dc.Input(6), dc.Dense(16, "relu"), dc.Dense(9, "tanh"), dc.Dense(3, "softmax")]
    return made(layers, seed, dtype, **compiled)


def made(layers: list[Any], seed: int, dtype: str, **compiled: Any) -> dc.Sequential:
    model = dc.Sequential(layers, seed=seed, dtype=dtype)
    how = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", **compiled}
    model.compile(**how)
    return model


def large(seed: int = 1, dtype: str = "float32", **compiled: Any) -> dc.Sequential:
    return made([dc.Input(6), dc.Dense(300, "relu"), dc.Dense(230, "relu"),
                 dc.Dense(3, "softmax")], seed, dtype, **compiled)  # fmt: skip


def noisy(seed: int = 1, dtype: str = "float32", **compiled: Any) -> dc.Sequential:
    return made(
        [dc.Input(6), dc.layers.GaussianNoise(0.1), dc.Dense(16, "relu"), dc.layers.Dropout(0.3),
         dc.layers.Residual([dc.Dense(16, "gelu"), dc.layers.LayerNormalization()]),
         dc.Dense(3, "softmax", kernel_regularizer="l2")], seed, dtype, **compiled)  # fmt: skip


def graph(seed: int = 1, dtype: str = "float32", **compiled: Any) -> dc.Model:
    """A graph that goes through one layer twice."""
    x = dc.Input(6)
    twice = dc.Dense(6, "tanh")
    hidden = dc.layers.Dropout(0.2)(dc.Dense(12, "relu")(twice(twice(x))))
    model = dc.Model(x, dc.Dense(3, "softmax")(hidden), seed=seed, dtype=dtype)
    model.compile(**{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", **compiled})
    return model


def data(rows: int, dtype: str = "float32") -> tuple[Any, Any]:
    random = np.random.default_rng(3)
    return random.normal(size=(rows, 6)).astype(dtype), random.integers(0, 3, rows)


def state(model: dc.Sequential) -> bytes:
    arrays = [model.parameters, *model._network.optimizer_states().values()]
    return b"".join(array.tobytes() for array in arrays)


def on_ranks(
    ranks: int, make: Callable[..., dc.Sequential], train: Callable[..., Any], **how: Any
) -> list[tuple[dc.Sequential, Any]]:
    """Each rank's model and what `train(model, comm)` returned."""

    def work(comm: Threads) -> tuple[dc.Sequential, Any]:
        model = make(**how)
        return model, train(model, comm)

    return run_threads(ranks, work, WAIT)


@pytest.mark.parametrize("make", [small, noisy, graph])
@pytest.mark.parametrize(("rows", "batch"), [(700, 32), (3000, 1100), (2100, 2100)])
@pytest.mark.slow
def test_any_number_of_ranks_gives_the_bits_of_one_process(
    make: Callable[..., dc.Sequential], rows: int, batch: int
) -> None:
    x, y = data(rows)
    alone = make(metrics=["accuracy"])
    history = alone.fit(x, y, batch_size=batch, epochs=2, verbose=0, validation_split=0.1)
    for ranks in (1, 2, 4, 8):
        for model, found in on_ranks(
            ranks, make,
            lambda model, comm: model.fit(
                x, y, batch_size=batch, epochs=2, verbose=0, validation_split=0.1, comm=comm
            ),
            metrics=["accuracy"],
        ):  # fmt: skip
            assert state(model) == state(alone)
            assert found.history == history.history


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adamw", "lamb"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_optimizers_and_dtypes(optimizer: str, dtype: str) -> None:
    x, y = data(640, dtype)
    alone = small(dtype=dtype, optimizer=optimizer)
    alone.fit(x, y, batch_size=600, epochs=2, verbose=0)
    for model, _ in on_ranks(
        4, small, lambda model, comm: model.fit(x, y, batch_size=600, epochs=2, comm=comm),
        dtype=dtype, optimizer=optimizer,
    ):  # fmt: skip
        assert state(model) == state(alone)


@pytest.mark.parametrize("chunks", [None, 8, 16])
@pytest.mark.slow
def test_large_networks_have_the_same_bits_on_all_ranks(chunks: int | None) -> None:
    x, y = data(500)
    found = set()
    for ranks in (1, 2, 4, 8):
        trained = on_ranks(ranks, large, lambda model, comm: model.fit(
            x, y, batch_size=100, epochs=2, comm=comm, chunks=chunks, verbose=0))  # fmt: skip
        found |= {state(model) for model, _ in trained}
    assert len(found) == 1
    alone = large()
    alone.fit(x, y, batch_size=100, epochs=2, verbose=0)
    model = trained[0][0]
    np.testing.assert_allclose(model.parameters, alone.parameters, rtol=1e-3, atol=2e-5)


def test_three_ranks_agree_within_rounding() -> None:
    x, y = data(3000, "float64")
    alone = small(dtype="float64")
    alone.fit(x, y, batch_size=1100, epochs=3, verbose=0)
    trained = on_ranks(3, small, lambda model, comm: model.fit(
        x, y, batch_size=1100, epochs=3, comm=comm, verbose=0), dtype="float64")  # fmt: skip
    assert len({state(model) for model, _ in trained}) == 1
    np.testing.assert_allclose(trained[0][0].parameters, alone.parameters, rtol=0, atol=1e-12)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"])
def test_weights_count_over_all_ranks(reduction: str) -> None:
    x, y = data(900, "float64")
    weight = np.random.default_rng(1).uniform(0, 2, 900)
    loss = dc.losses.SparseCategoricalCrossentropy(reduction=reduction)
    alone = small(dtype="float64", loss=loss)
    how: dict[str, Any] = {"batch_size": 700, "epochs": 2, "verbose": 0, "class_weight": {
        0: 1.0, 1: 2.0, 2: 0.5}}  # fmt: skip
    alone.fit(x, y, sample_weight=weight, **how)
    for model, _ in on_ranks(2, small, lambda model, comm: model.fit(
        x, y, sample_weight=weight, comm=comm, **how), dtype="float64", loss=loss):  # fmt: skip
        assert state(model) == state(alone)


PARTS = [(0, 90, 90, 200), (0, 1, 200), (0, 0, 150, 200), (0, 50, 100, 150, 200)]


@pytest.mark.parametrize("bounds", PARTS)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight"])
def test_gradients_of_uneven_parts_are_exact(bounds: tuple[int, ...], reduction: str) -> None:
    x, y = data(200, "float64")
    weight = np.random.default_rng(1).uniform(0, 2, 200)
    loss = dc.losses.SparseCategoricalCrossentropy(reduction=reduction)
    alone = noisy(dtype="float64", loss=loss)
    expected = alone.loss_and_gradients(x, y, weight)

    def part(model: dc.Sequential, comm: Threads) -> float:
        own = slice(bounds[comm.rank], bounds[comm.rank + 1])
        return model.loss_and_gradients(x[own], y[own], weight[own], comm=comm)

    for model, found in on_ranks(len(bounds) - 1, noisy, part, dtype="float64", loss=loss):
        assert found == pytest.approx(expected, rel=1e-14)
        np.testing.assert_allclose(model.gradients, alone.gradients, rtol=0, atol=1e-15)


def test_steps_on_parts_of_a_batch() -> None:
    x, y = data(2048)
    alone = small(metrics=["accuracy"])
    expected = [alone.train_on_batch(x, y) for _ in range(3)]
    for ranks in (1, 2, 4, 8):

        def part(model: dc.Sequential, comm: Threads) -> list[Any]:
            size = len(x) // comm.size
            own = slice(comm.rank * size, (comm.rank + 1) * size)
            return [model.train_on_batch(x[own], y[own], comm=comm) for _ in range(3)]

        for model, found in on_ranks(ranks, small, part, metrics=["accuracy"]):
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            assert state(model) == state(alone)


@pytest.mark.parametrize("bounds", PARTS)
def test_rows_of_one_s_own(bounds: tuple[int, ...]) -> None:
    """All rows in one batch: the parts do not matter beyond rounding."""
    x, y = data(200, "float64")
    alone = small(dtype="float64", metrics=["accuracy"])
    history = alone.fit(x, y, batch_size=200, epochs=3, shuffle=False, verbose=0)

    def part(model: dc.Sequential, comm: Threads) -> Any:
        own = slice(bounds[comm.rank], bounds[comm.rank + 1])
        return model.fit(x[own], y[own], batch_size=200, epochs=3, comm=comm)

    trained = on_ranks(len(bounds) - 1, small, part, dtype="float64", metrics=["accuracy"])
    assert len({state(model) for model, _ in trained}) == 1
    for model, found in trained:
        np.testing.assert_allclose(model.parameters, alone.parameters, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.history["loss"], history.history["loss"], rtol=1e-12)
        assert found.history["accuracy"] == history.history["accuracy"]


def test_batches_of_one_s_own_end_together() -> None:
    x, y = data(200)

    def part(model: dc.Sequential, comm: Threads) -> Any:
        count = (5, 2, 0)[comm.rank]
        batches = [(x[i : i + 20], y[i : i + 20]) for i in range(0, 20 * count, 20)]
        if not batches:
            return model.fit(iter([(x[:0], y[:0])]), epochs=1, comm=comm)
        return model.fit(iter(batches), epochs=1, comm=comm)

    trained = on_ranks(3, small, part)
    assert len({state(model) for model, _ in trained}) == 1
    assert trained[0][0].progress["steps"] == 5


def test_steps_without_metrics_need_one_sum() -> None:
    x, y = data(2048)
    alone = small()
    expected = [alone.train_on_batch(x, y) for _ in range(4)]
    alone.train_on_batch(x[:100], y[:100])
    sums: list[int] = []

    def part(model: dc.Sequential, comm: Threads) -> list[Any]:
        size = len(x) // comm.size
        own = slice(comm.rank * size, (comm.rank + 1) * size)
        add_up, counts = comm.allreduce_, [0]

        def count(buf: Any) -> None:
            counts[0] += 1
            add_up(buf)

        comm.allreduce_ = count  # type: ignore[method-assign]
        losses = [model.train_on_batch(x[own], y[own], comm=comm) for _ in range(3)]
        before = counts[0]
        losses.append(model.train_on_batch(x[own], y[own], comm=comm))
        sums.append(counts[0] - before)
        # Another number of rows: all of it on the last rank.
        rest = slice(0, 100 if comm.rank == comm.size - 1 else 0)
        model.train_on_batch(x[rest], y[rest], comm=comm)
        return losses

    for model, found in on_ranks(4, small, part):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        np.testing.assert_allclose(model.parameters, alone.parameters, rtol=1e-3, atol=1e-6)
    assert sums == [1, 1, 1, 1]


@pytest.mark.parametrize("make", [small, noisy, graph])
@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "mse"])
def test_few_rows_have_the_same_bits_on_any_number_of_ranks(
    make: Callable[..., dc.Sequential], loss: str
) -> None:
    """Leaves of few rows go as small batches do, unless metrics want the outputs of all rows."""
    x, y = data(26)
    if loss == "mse":
        y = np.eye(3, dtype=np.float32)[y]

    def part(model: dc.Sequential, comm: Threads) -> None:
        own = slice(26 * comm.rank // comm.size, 26 * (comm.rank + 1) // comm.size)
        for _ in range(4):
            model.train_on_batch(x[own], y[own], comm=comm)

    states = {
        state(model)
        for ranks in (1, 2, 4, 8)
        for metrics in (["accuracy"], [])
        for model, _ in on_ranks(ranks, make, part, metrics=metrics, loss=loss)
    }
    assert len(states) == 1


def curve(seed: int = 1, dtype: str = "float64") -> dc.Sequential:
    layers = [dc.Input(6), dc.Dense(7, "tanh"), dc.Dense(1, kernel_regularizer="l2")]
    model = dc.Sequential(layers, seed=seed, dtype=dtype)
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("steps", ["lbfgs", "plain", "geodesic"])
@pytest.mark.parametrize("parts", [False, True])
def test_solvers(steps: str, parts: bool) -> None:
    pytest.importorskip("scipy")
    x, _ = data(900, "float64")
    y = np.sin(x[:, :1]) * x[:, 1:2]
    weight = np.random.default_rng(1).uniform(0.5, 2, 900)
    solver: Any = steps
    if steps != "lbfgs":
        solver = dc.solvers.LevenbergMarquardt(steps=steps)
    alone = curve()
    history = alone.fit(x, y, solver=solver, epochs=8, sample_weight=weight, verbose=0)

    def train(model: dc.Sequential, comm: Threads) -> Any:
        own = slice(None)
        if parts:
            own = slice(0, 700) if comm.rank == 1 else slice(700, 900 if comm.rank == 2 else 700)
        return model.fit(x[own], y[own], solver=solver, epochs=8, sample_weight=weight[own],
                         comm=comm)  # fmt: skip

    found = set()
    for ranks in (3,) if parts else (1, 2, 4):
        for model, said in on_ranks(ranks, curve, train):
            found.add(model.parameters.tobytes())
            np.testing.assert_allclose(said.history["loss"], history.history["loss"], rtol=1e-6)
            np.testing.assert_allclose(model.parameters, alone.parameters, rtol=1e-4, atol=1e-6)
    assert len(found) == 1
    if steps == "lbfgs" and not parts:
        assert found == {alone.parameters.tobytes()}


# Faults -----------------------------------------------------------------------------------------


class RaisesAt(Callback):
    def __init__(self, rank: int, hook: str, when: int) -> None:
        super().__init__()
        self.calls = 0
        if rank == 1:
            setattr(self, hook, self.count)
        self.when = when

    def count(self, number: int, logs: Any = None) -> None:
        self.calls += 1
        if self.calls == self.when:
            raise ZeroDivisionError("out of luck")


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_end"])
@pytest.mark.parametrize("when", [1, 2])
def test_what_one_rank_raises_all_raise_at_the_same_step(hook: str, when: int) -> None:
    x, y = data(400)
    steps = []

    def train(model: dc.Sequential, comm: Threads) -> str:
        with pytest.raises((ZeroDivisionError, dc.distributed.RankError)) as raised:
            model.fit(x, y, batch_size=100, epochs=3, comm=comm,
                      callbacks=[RaisesAt(comm.rank, hook, when)])  # fmt: skip
        steps.append(model.progress["steps"])
        return str(raised.value)

    for _, said in on_ranks(3, small, train):
        assert said == "rank 1: out of luck" or said == "rank 1: ZeroDivisionError: out of luck"
    assert len(set(steps)) == 1


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_train_batch_begin"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_stop_at_a_beginning_ends_after_that_batch(hook: str, ranks: int) -> None:
    """As in one process: the steps that were made, and their bits."""
    x, y = data(40)

    class Stop(Callback):
        pass

    def stop(self: Any, number: int, logs: Any = None) -> None:
        self.model.stop_training = self.model.stop_training or number == 1

    setattr(Stop, hook, stop)
    alone = small()
    alone.fit(x, y, batch_size=8, epochs=4, callbacks=[Stop()], verbose=0)

    def train(comm: Any) -> tuple[bytes, int]:
        model = small()
        model.fit(x, y, batch_size=8, epochs=4, callbacks=[Stop()], verbose=0, comm=comm)
        return state(model), model.progress["steps"]

    steps = {"on_epoch_begin": 6, "on_train_batch_begin": 2}[hook]
    assert alone.progress["steps"] == steps
    assert run_threads(ranks, train) == [(state(alone), steps)] * ranks


def test_early_stopping_and_files(tmp_path: Any) -> None:
    x, y = data(600)
    alone = small()
    stop: dict[str, Any] = {"patience": 1, "monitor": "loss", "min_delta": 0.05}
    history = alone.fit(x, y, epochs=40, callbacks=[EarlyStopping(**stop)], verbose=0)
    assert len(history.epoch) < 40

    def train(model: dc.Sequential, comm: Threads) -> Any:
        saved = ModelCheckpoint(tmp_path / "at-{epoch}.model", monitor="loss")
        return model.fit(x, y, epochs=40, comm=comm, callbacks=[EarlyStopping(**stop), saved])

    for model, found in on_ranks(2, small, train):
        assert found.history == history.history
        assert state(model) == state(alone)
    assert len(list(tmp_path.iterdir())) == len(history.epoch)


class Ends(Callback):
    """Ends a training as a killed process would, but for the file that is there."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 3:
            raise ZeroDivisionError


class Quiet(Callback):
    """In its place."""


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_killed_training_goes_on_with_any_number_of_ranks(tmp_path: Any, ranks: int) -> None:
    x, y = data(600)
    alone = small(metrics=["accuracy"])
    history = alone.fit(x, y, epochs=5, verbose=0)

    def train(model: dc.Sequential, comm: Threads, other: Callback) -> Any:
        backup = BackupAndRestore(tmp_path / "backup")
        return model.fit(x, y, epochs=5, comm=comm, callbacks=[backup, other])

    def killed(model: dc.Sequential, comm: Threads) -> None:
        other = Ends() if comm.rank == 0 else Quiet()
        with pytest.raises((ZeroDivisionError, dc.distributed.RankError)):
            train(model, comm, other)

    Ends.__name__ = Quiet.__name__ = "Ends"
    on_ranks(2, small, killed, metrics=["accuracy"])
    for model, found in on_ranks(
        ranks, small, lambda model, comm: train(model, comm, Quiet()), metrics=["accuracy"]
    ):
        assert found.history == history.history
        assert state(model) == state(alone)


def test_callbacks_of_one_rank_hold_for_all(tmp_path: Any) -> None:
    x, y = data(600)

    def callbacks(epochs: int) -> list[Callback]:
        return [
            dc.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=0, factor=0.5),
            EarlyStopping(monitor="val_loss", patience=4, restore_best_weights=True),
            dc.callbacks.CSVLogger(tmp_path / f"{epochs}.csv"),
        ]

    how: dict[str, Any] = {"validation_split": 0.3, "epochs": 30, "verbose": 0}
    alone = small()
    history = alone.fit(x, y, callbacks=callbacks(0), **how)

    def train(model: dc.Sequential, comm: Threads) -> Any:
        return model.fit(x, y, comm=comm, callbacks=callbacks(1) if comm.rank == 0 else None, **how)

    for _, found in on_ranks(3, small, train):
        assert len(found.epoch) == len(history.epoch)
    for model, _ in on_ranks(2, small, train):
        assert state(model) == state(alone)

    def killed(model: dc.Sequential, comm: Threads) -> None:
        given = [BackupAndRestore(tmp_path / "backup")] if comm.rank == 0 else [Ends()]
        with pytest.raises((ZeroDivisionError, dc.distributed.RankError)):
            model.fit(x, y, epochs=5, comm=comm, callbacks=given)

    def resumed(model: dc.Sequential, comm: Threads) -> Any:
        given = [BackupAndRestore(tmp_path / "backup")] if comm.rank == 0 else []
        return model.fit(x, y, epochs=5, comm=comm, callbacks=given)

    whole = small()
    history = whole.fit(x, y, epochs=5, verbose=0)
    on_ranks(2, small, killed)
    for model, found in on_ranks(4, small, resumed):
        assert found.history == history.history
        assert state(model) == state(whole)


# Bad input ----------------------------------------------------------------------------------------


def refused(ranks: int, train: Callable[[Threads], Any]) -> set[str]:
    def work(comm: Threads) -> str:
        with pytest.raises((ValueError, TypeError)) as raised:
            train(comm)
        return str(raised.value)

    return set(run_threads(ranks, work, WAIT))


def test_chunks_are_a_power_of_two() -> None:
    x, y = data(50)
    with pytest.raises(ValueError, match="chunks: found 6, wanted a power of two"):
        small().fit(x, y, comm=Serial(), chunks=6)


def test_an_epoch_of_many_steps() -> None:
    x, y = data(2600)
    alone = small()
    history = alone.fit(x, y, batch_size=2, epochs=1, verbose=0)
    for model, found in on_ranks(
        2, small, lambda model, comm: model.fit(x, y, batch_size=2, epochs=1, comm=comm)
    ):
        assert found.history == history.history
        assert state(model) == state(alone)


def test_ranks_that_differ_are_named() -> None:
    x, y = data(100)

    def fit_with(model: dc.Sequential, comm: Threads, **how: Any) -> Any:
        return model.fit(x, y, comm=comm, **how)

    cases: dict[str, Callable[[Threads], Any]] = {
        "rank 2: seed: found 5, wanted 1": lambda comm: fit_with(
            small(seed=5 if comm.rank == 2 else 1), comm
        ),
        'rank 1: dtype: found "float64", wanted "float32"': lambda comm: fit_with(
            small(dtype="float64" if comm.rank == 1 else "float32"), comm
        ),
        "rank 2: layers: found 7, wanted 3": lambda comm: fit_with(
            noisy() if comm.rank == 2 else small(), comm
        ),
        "rank 0: batch_size: found 7, wanted 32": lambda comm: fit_with(
            small(), comm, batch_size=7 if comm.rank == 0 else 32
        ),
        "rank 1: optimizer: found": lambda comm: fit_with(
            small(optimizer="sgd" if comm.rank == 1 else "adam"), comm
        ),
        "rank 1: x: found shape (100, 5)": lambda comm: small().fit(
            x[:, : 5 if comm.rank == 1 else 6], y, comm=comm
        ),
        "batch_size: found 2 rows for 3 ranks": lambda comm: fit_with(small(), comm, batch_size=2),
    }
    for wanted, train in cases.items():
        found = refused(3, train)
        assert len(found) == 1, found
        assert wanted in found.pop(), wanted


def test_other_mistakes_are_named() -> None:
    x, y = data(100)
    other = data(40)

    def fit_with(comm: Threads, **how: Any) -> Any:
        return small().fit(x, y, comm=comm, verbose=0, **how)

    def first(comm: Threads, one: Any, others: Any) -> Any:
        return one if comm.rank == 1 else others

    def call(comm: Threads) -> Any:
        model = small()
        return first(comm, model.fit, model.train_on_batch)(x, y, comm=comm)

    cases: dict[str, Callable[[Threads], Any]] = {
        'call: found "fit", wanted "train_on_batch': call,
        "rank 1: class_weight: found": lambda comm: fit_with(
            comm, class_weight=first(comm, {0: 1, 1: 2, 2: 1}, {0: 1, 1: 1, 2: 1})
        ),
        "the same x and y on all ranks, but other sample weights": lambda comm: fit_with(
            comm, sample_weight=first(comm, np.full(100, 0.5), None)
        ),
        "rank 1: validation_data: found null": lambda comm: fit_with(
            comm, validation_data=first(comm, None, other)
        ),
        'rank 1: validation_data: found "batches"': lambda comm: fit_with(
            comm, validation_data=first(comm, [other], other)
        ),
        "rank 1: validation_steps: found 1": lambda comm: fit_with(
            comm, validation_data=other, validation_steps=first(comm, 1, None)
        ),
        "rank 1: epochs: found 3": lambda comm: fit_with(comm, epochs=first(comm, 3, 2)),
        "rank 1: metrics: found": lambda comm: small(metrics=first(comm, ["accuracy"], None)).fit(
            x, y, comm=comm
        ),
        "rank 1: steps_per_epoch": lambda comm: fit_with(
            comm, steps_per_epoch=first(comm, 1, None)
        ),
    }
    for wanted, train in cases.items():
        found = refused(3, train)
        assert len(found) == 1, found
        assert wanted in found.pop(), wanted


def test_a_rank_that_returns_early_is_missed_at_once() -> None:
    x, y = data(100)
    begin = time.perf_counter()

    def train(comm: Threads) -> None:
        model = small()
        for _ in range(3 if comm.rank == 1 else 5):
            model.train_on_batch(x, y, comm=comm)

    with pytest.raises(RuntimeError, match=r"another rank has ended.*rank 1 has returned"):
        run_threads(3, train, WAIT)
    assert time.perf_counter() - begin < WAIT / 2


def test_a_schedule_of_one_rank_holds_for_all() -> None:
    x, y = data(300)
    schedule = dc.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))
    alone = small(optimizer="sgd")
    alone.fit(x, y, epochs=3, callbacks=[schedule], verbose=0)

    class Halves(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate *= 0.5

    stepwise = small(optimizer="sgd")
    stepwise.fit(x, y, epochs=2, callbacks=[Halves()], verbose=0)

    def train(comm: Threads) -> tuple[bytes, bytes]:
        first = comm.rank == 0
        found = []
        for callback, epochs in ((schedule, 3), (Halves(), 2)):
            model = small(optimizer="sgd")
            given = [callback] if first else []
            model.fit(x, y, epochs=epochs, comm=comm, callbacks=given, verbose=0)
            found.append(state(model))
        return found[0], found[1]

    for found in run_threads(2, train, WAIT):
        assert found == (state(alone), state(stepwise))


def test_an_iterator_that_runs_out_ends_a_training() -> None:
    x, y = data(100)

    def train(comm: Threads) -> int:
        model = small()
        batches = ((x[i : i + 20], y[i : i + 20]) for i in range(0, 100, 20))
        history = model.fit(batches, epochs=3, comm=comm, verbose=0)
        return len(history.epoch)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run_threads(2, train, WAIT) == [1, 1]


def test_a_model_of_a_loop_can_be_pickled() -> None:
    x, y = data(100)

    def train(comm: Threads) -> bytes:
        model = small()
        model.train_on_batch(x, y, comm=comm)
        return state(pickle.loads(pickle.dumps(model)))

    assert len(set(run_threads(2, train, WAIT))) == 1


def test_models_without_a_seed_take_that_of_rank_0() -> None:
    x, y = data(300)

    def train(comm: Threads) -> bytes:
        model = dc.Sequential([dc.Input(6), dc.Dense(4, "relu"), dc.layers.Dropout(0.5),
                               dc.Dense(3, "softmax")])  # fmt: skip
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, epochs=2, comm=comm)
        return state(model)

    assert len(set(run_threads(2, train, WAIT))) == 1


@pytest.mark.parametrize("given_comm", [1, "mpi", object(), Threads, [0, 1]])
def test_other_objects_are_no_communicators(given_comm: Any) -> None:
    x, y = data(50)
    with pytest.raises(TypeError, match=r"comm: found .*mpi4py"):
        small().fit(x, y, comm=given_comm)


def test_parameters_that_drift_are_found() -> None:
    x, y = data(1000)

    class Changes(Callback):
        def __init__(self, rank: int) -> None:
            super().__init__()
            if rank == 2:
                self.on_epoch_begin = self.change  # type: ignore[method-assign]

        def change(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                self.model._network.parameters[0] += 1e-3

    def train(model: dc.Sequential, comm: Threads) -> str:
        with pytest.raises(RuntimeError) as raised:
            model.fit(x, y, batch_size=20, epochs=5, comm=comm, callbacks=[Changes(comm.rank)])
        return str(raised.value)

    for _, said in on_ranks(4, small, train):
        assert "rank 2 differ from those of rank 0" in said


# The pieces ---------------------------------------------------------------------------------------


class NoTree(Threads):
    """An engine that adds up from the last rank to the first."""

    def allreduce_(self, buf: Any) -> None:
        total = None
        for part in reversed(self._all(buf)):
            total = part.copy() if total is None else total + part
        self._meet()
        buf[...] = total


class NoPairs(NoTree):
    sendrecv_ = None


@pytest.mark.parametrize(("engine", "order"), [(Threads, "engine"), (NoTree, "doubling"),
                                               (NoPairs, "gathered")])  # fmt: skip
@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_sums_are_a_tree_on_every_engine(engine: type[Threads], order: str, ranks: int) -> None:
    parts = np.random.default_rng(0).normal(size=(ranks, 1001)).astype(np.float32)
    parts *= np.float32(2.0) ** np.arange(-5, ranks - 5)[:, None]

    def work(comm: Threads) -> tuple[str, bytes]:
        given_comm = engine(comm._shared, comm.rank, comm.size)
        if engine is NoPairs:
            given_comm = Without(given_comm)  # type: ignore[assignment]
        group = Group(given_comm)
        group.settle(1001, parts.dtype)
        buf = parts[comm.rank].copy()
        group.sum_(buf)
        return group.order, buf.tobytes()

    found = set(run_threads(ranks, work, WAIT))
    tree = list(parts)
    while len(tree) > 1:
        tree = [a + b for a, b in zip(tree[::2], tree[1::2], strict=True)]
    assert found == {(order if ranks > 2 else "engine", tree[0].tobytes())}


class Wrapped:
    """mpi4py's names around something else."""

    def __init__(self, comm: Threads) -> None:
        self._comm = comm

    def Get_rank(self) -> int:
        return self._comm.rank

    def Get_size(self) -> int:
        return self._comm.size

    def Allreduce(self, send: Any, receive: Any) -> None:
        receive[...] = send
        self._comm.allreduce_(receive)

    def Bcast(self, buf: Any, root: int = 0) -> None:
        self._comm.bcast_(buf, root)


def test_objects_with_the_names_of_mpi4py() -> None:
    x, y = data(300)
    alone = small()
    alone.fit(x, y, epochs=2, verbose=0)
    for model, _ in on_ranks(
        4, small, lambda model, comm: model.fit(x, y, epochs=2, comm=Wrapped(comm), verbose=0)
    ):
        assert state(model) == state(alone)


class Without:
    """The two calls of the protocol, and no more."""

    def __init__(self, comm: Threads) -> None:
        self.rank, self.size = comm.rank, comm.size
        self.allreduce_, self.bcast_ = comm.allreduce_, comm.bcast_


def test_texts_and_errors_of_a_group() -> None:
    def work(comm: Threads) -> Any:
        group = Group(comm)
        texts = group.gather(b"x" * comm.rank * 5)
        with pytest.raises(KeyError, match="rank 1"):
            group.together(lambda: {0: 1, 2: 3}[comm.rank])
        assert group.broadcast(b"\0\1\2" if comm.rank == 0 else None) == b"\0\1\2"
        assert group.broadcast(None) is None
        return texts

    assert run_threads(3, work, WAIT)[2] == [b"", b"x" * 5, b"x" * 10]


def test_shares_cover_a_batch() -> None:
    for rows in (1, 5, 8, 31, 1000):
        for ranks in (1, 2, 3, 8):
            for own in (0, 1, 16):
                count = leaves(own, ranks, None, False)
                parts = [dealt(rows, count, rank, ranks) for rank in range(ranks)]
                assert [parts[0].begin, *(part.end for part in parts)] == [
                    *(part.begin for part in parts), rows]  # fmt: skip
                split = leaves(own, ranks, None, True)
                bounds = np.sort(np.random.default_rng(rows).integers(0, rows + 1, ranks - 1))
                bounds = np.concatenate([[0], bounds, [rows]])
                for begin, end in pairwise(bounds):
                    share = given(int(begin), int(end - begin), rows, split)
                    assert share.cuts[0] == begin
                    assert share.cuts[-1] == end
                    assert share.cuts == sorted(share.cuts)
                    assert 0 <= share.leaf < split


def test_one_process_is_a_group() -> None:
    assert isinstance(as_comm(None), Serial)
    x, y = data(200)
    alone, serial = small(), small()
    alone.fit(x, y, epochs=2, verbose=0)
    serial.fit(x, y, epochs=2, comm=Serial(), verbose=0)
    assert state(alone) == state(serial)


# Estimators ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "lm"])
@pytest.mark.parametrize("seed", [3, None])
def test_estimators(solver: str, seed: int | None) -> None:
    pytest.importorskip("sklearn")
    from densecore.sklearn import MLPClassifier, MLPRegressor

    x, y = data(400, "float64")
    kind: Any = MLPClassifier
    how: dict[str, Any] = {"early_stopping": True} if solver == "adam" else {}
    if solver == "lm":
        kind, y = MLPRegressor, np.sin(x[:, 0])
    how |= {"solver": solver, "hidden_layer_sizes": (12,), "max_iter": 30}

    def fitted(**arguments: Any) -> Any:
        return kind(random_state=seed, **how).fit(x, y, **arguments)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = run_threads(2, lambda comm: fitted(comm=comm), WAIT)
        assert len({model.model_.parameters.tobytes() for model in found}) == 1
        if seed is not None:
            alone = fitted()
            np.testing.assert_allclose(
                found[0].model_.parameters, alone.model_.parameters, rtol=0, atol=1e-6
            )
            assert found[1].n_iter_ == alone.n_iter_
            if solver != "lm":
                assert found[0].model_.parameters.tobytes() == alone.model_.parameters.tobytes()


def test_estimators_want_all_rows_on_all_ranks() -> None:
    pytest.importorskip("sklearn")
    from densecore.sklearn import MLPClassifier

    x, y = data(100)

    def fit(comm: Threads) -> Any:
        return MLPClassifier(random_state=0).fit(x[comm.rank :], y[comm.rank :], comm=comm)

    assert "the same X and y" in refused(2, fit).pop()
