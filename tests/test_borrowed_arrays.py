"""Arrays that Python code changes, resizes or keeps while the core works with them."""

import gc
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import compiled, normal, stack

scipy = pytest.importorskip("scipy")
pytest.importorskip("scipy.sparse")

X, Y = normal(40, 3, 1)


def at_each_epoch_end(call: Any) -> list[dc.callbacks.Callback]:
    return [dc.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: call())]


# Changed contents -------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("changed", ["indices", "indptr"])
def test_positions_of_a_sparse_matrix_are_copied(changed: str, shuffle: bool, index: Any) -> None:
    results = []
    for change in (False, True):
        x = scipy.sparse.csr_matrix(X)
        x.indices, x.indptr = x.indices.astype(index), x.indptr.astype(index)

        def spoil(x: Any = x, change: bool = change) -> None:
            if change:
                getattr(x, changed)[:] = 2**30

        model = compiled(3, (4, "tanh"), 1)
        model.fit(x, Y, epochs=3, shuffle=shuffle, verbose=0, callbacks=at_each_epoch_end(spoil))
        results.append(model.parameters.tobytes())
    assert results[0] == results[1]


def test_positions_of_a_sparse_validation_set_are_copied() -> None:
    x = scipy.sparse.csr_matrix(X)

    def spoil() -> None:
        x.indices[:] = -(2**30)

    model = compiled(3, 1)
    history = model.fit(X, Y, epochs=3, verbose=0, validation_data=(x, Y),
                        callbacks=at_each_epoch_end(spoil))  # fmt: skip
    assert np.isfinite(history.history["val_loss"]).all()


def test_row_numbers_of_members_are_copied() -> None:
    results = []
    for change in (False, True):
        indices = [np.arange(40) for _ in range(6)]

        def metric(y: Any, p: Any, indices: Any = indices, change: bool = change) -> float:
            for numbers in indices:
                if change:
                    numbers[:] = 2**40
            return 0.0

        model = compiled(3, 4, 1, metrics=[metric])
        ensemble = dc.Ensemble(model, 6)
        ensemble.fit(X, Y, epochs=3, verbose=0, indices=indices)
        results.append(ensemble.parameters.tobytes())
    assert results[0] == results[1]


def test_class_numbers_are_copied() -> None:
    labels = np.zeros(40, np.int32)

    def spoil() -> None:
        labels[:] = 2**30

    model = compiled(3, (2, "softmax"), loss="sparse_categorical_crossentropy")
    history = model.fit(X, labels, epochs=3, verbose=0, callbacks=at_each_epoch_end(spoil))
    assert np.isfinite(history.history["loss"]).all()


# Resized memory ---------------------------------------------------------------------------------


def shrink(array: Any) -> None:
    array.resize((0,) * array.ndim, refcheck=False)


class Shrinking:
    """Data of which one array shrinks when it is called, once `ready`."""

    ready = False

    def __init__(self, which: str) -> None:
        self.x, self.y = X.copy(), Y.copy()
        self.weight, self.wide = np.ones(40, np.float32), X.astype(np.float64)
        self.values = np.ones(40, np.float32)
        self.target = getattr(self, which)

    def __call__(self, *_: Any) -> Any:
        if self.ready:
            shrink(self.target)
        return 0.0


RESIZED = pytest.raises(RuntimeError, match="resized while it was used")


@pytest.mark.parametrize("which", ["x", "y", "weight"])
@pytest.mark.parametrize("where", ["callback", "metric", "schedule", "activation"])
def test_an_array_that_is_resized_during_fit_is_an_error(which: str, where: str) -> None:
    data = Shrinking(which)

    class Schedule(dc.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            data()
            return 0.01 * np.ones(np.shape(step))

        def get_config(self) -> dict[str, Any]:
            return {}

    def activation(z: Any) -> Any:
        data()
        return np.tanh(z)

    parts: list[Any] = [4, 1]
    if where == "activation":
        parts.insert(1, dc.layers.Activation((activation, lambda z, a: 1 - a * a)))
    model = compiled(
        3,
        *parts,
        optimizer=dc.optimizers.SGD(Schedule()) if where == "schedule" else "sgd",
        metrics=[data] if where == "metric" else [],
    )
    callbacks = at_each_epoch_end(data) if where == "callback" else None
    data.ready = True
    with RESIZED:
        model.fit(data.x, data.y, sample_weight=data.weight, epochs=3, shuffle=False, verbose=0,
                  callbacks=callbacks)  # fmt: skip
    assert np.isfinite(model.parameters).all()
    model.fit(X, Y, verbose=0)  # and the model is free again


def test_the_owner_of_a_view_may_not_be_resized() -> None:
    data = Shrinking("x")
    model = compiled(3, 1)
    data.ready = True
    with RESIZED:
        model.fit(data.x[:30], data.y[:30], epochs=3, verbose=0, callbacks=at_each_epoch_end(data))


def test_rows_of_another_dtype_that_are_resized_are_an_error() -> None:
    data = Shrinking("wide")
    rows = dc._core.RowsF32.strided(data.wide)
    model = compiled(3, 1, metrics=[data])
    data.ready = True
    with RESIZED:
        model._network.fit(rows, data.y, None, None, 3, 8, True, [])
    with pytest.raises(RuntimeError, match="resized since"):
        rows.read(0, 2)
    with pytest.raises(RuntimeError, match="resized since"):
        model._network.predict(rows)


def test_values_of_a_sparse_matrix_that_are_resized_are_an_error() -> None:
    data = Shrinking("values")
    x = scipy.sparse.csr_matrix((data.values, np.arange(40) % 3, np.arange(41)), shape=(40, 3))
    x.data = data.values
    model = compiled(3, 1)
    data.ready = True
    with RESIZED:
        model.fit(x, data.y, epochs=2, verbose=0, callbacks=at_each_epoch_end(data))


def test_a_members_array_that_is_resized_is_an_error() -> None:
    data = Shrinking("x")
    ensemble = dc.Ensemble(compiled(3, 4, 1, metrics=[data]), 3)
    data.ready = True
    with RESIZED:
        ensemble.fit(data.x, data.y, epochs=3, verbose=0)


# Arrays that outlive the call -------------------------------------------------------------------


def test_what_a_function_is_given_may_be_kept() -> None:
    """In a process of its own: the old memory would be in use for other things by then."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
            import gc, numpy as np, densecore as dc
            kept, copies = [], []
            def keep(*arrays):
                for array in arrays:
                    if isinstance(array, np.ndarray):
                        kept.append(array)
                        copies.append(array.copy())
            def activation(z):
                keep(z)
                return np.tanh(z)
            def derivative(z, a):
                keep(z, a)
                return 1 - a * a
            def metric(y, p):
                keep(y, p)
                return 0.0
            def loss(y, p):
                keep(y, p)
                return float(np.mean((p - y) ** 2)), (p - y) / len(y)
            class Schedule(dc.schedules.LearningRateSchedule):
                def __call__(self, step):
                    keep(step)
                    return 0.01 * np.ones(np.shape(step))
                def get_config(self): return {}
            x = np.random.default_rng(0).normal(size=(500, 3)).astype("f")
            for chosen in ("mse", loss):
                model = dc.Sequential([dc.Input(3), dc.Dense(600),
                    dc.layers.Activation((activation, derivative)), dc.Dense(1)], seed=0)
                model.compile(dc.optimizers.SGD(Schedule()), chosen, [metric])
                model.fit(x, x[:, :1].copy(), epochs=2, verbose=0)
                model.predict(x)
                frozen = model.freeze()
                frozen(x)
                del model, frozen
            gc.collect()
            junk = [np.full((500, 600), 7, "f") for _ in range(20)]
            same = [np.array_equal(a, b) for a, b in zip(kept, copies)]
            print(len(kept) > 20, all(same))
            """),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]


def test_an_activation_may_write_to_its_argument() -> None:
    def activation(z: Any) -> Any:
        np.maximum(z, 0, out=z)
        return z

    model = stack(3, 4, dc.layers.Activation((activation, lambda z, a: (a > 0) * 1.0)), 1)
    twin = stack(3, (4, "relu"), 1)
    for each in (model, twin):
        each.compile("sgd", "mse")
        each.fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_allclose(model.parameters, twin.parameters, rtol=1e-6)
    gc.collect()
