"""What a model was compiled with is what it trains with, and what its files say."""

import contextlib
import math
import threading
from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import compiled, normal
from densecore import callbacks, layers, losses, metrics, optimizers

X, Y = normal(40, 3, 1)


def model(seed: int | None = 0) -> dc.Sequential:
    made = dc.Sequential(
        [dc.Input(3), dc.Dense(8, "tanh"), layers.Dropout(0.3), dc.Dense(1)], seed=seed
    )
    made.compile("adam", losses.Huber(0.5), [metrics.AUC(name="auc"), "mae"])
    return made


@pytest.mark.parametrize(
    ("name", "value"),
    [("loss", "mae"), ("loss", losses.Huber(3.0)), ("loss", None), ("optimizer", "sgd"),
     ("optimizer", optimizers.SGD(0.1)), ("metrics", []), ("layers", []), ("dtype", "float64")],
)  # fmt: skip
def test_what_a_model_is_compiled_with_is_not_assigned(name: str, value: Any) -> None:
    made = model()
    for state in ("new", "trained"):
        before = made.get_config()
        with pytest.raises(AttributeError):
            setattr(made, name, value)
        assert made.get_config() == before, state
        made.fit(X, Y, verbose=0)
    with pytest.raises(AttributeError, match=r"wanted a call of compile\(optimizer, loss"):
        made.loss = "mse"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [(lambda m: m.loss, "delta", 2.0), (lambda m: m.loss, "reduction", "sum"),
     (lambda m: m.loss, "from_logits", True), (lambda m: m.metrics[0], "name", "other")],
)  # fmt: skip
def test_parts_of_a_compiled_model_do_not_change(part: Any, name: str, value: Any) -> None:
    made = model()
    with pytest.raises(AttributeError, match=f"{name}: found"):
        setattr(part(made), name, value)


def test_a_seed_holds_for_whole_training(tmp_path: Any) -> None:
    """One seed for orders of rows and dropout, in both loops, in copies and in files."""
    listener = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    ends = []
    for listeners in ([], [listener]):
        for kept in (False, True):
            made = model(seed=1)
            made.set_weights(model(seed=0).get_weights())
            made.seed = 2**64 - 1
            if kept:
                made.save(tmp_path / "m")
                made = dc.load_model(tmp_path / "m")
            assert made.seed == 2**64 - 1
            made.fit(X, Y, 7, 3, callbacks=listeners, verbose=0)
            ends.append(made.parameters.tobytes())
    assert len(set(ends)) == 1
    for wrong in (-1, 2**64, 1.5, "3", None, True):
        with pytest.raises((ValueError, TypeError), match="seed: found"):
            made.seed = wrong  # type: ignore[assignment]
    assert made.seed == 2**64 - 1


def test_a_restored_training_has_its_own_dropout(tmp_path: Any) -> None:
    """Also where the new process's model got another seed."""

    def stop(epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise ZeroDivisionError

    def run(made: dc.Sequential, *more: Any) -> bytes:
        backup = callbacks.BackupAndRestore(tmp_path / "backup")
        made.fit(X, Y, 7, 5, callbacks=[backup, *more], verbose=0)
        return bytes(made.parameters.tobytes())

    whole = model(seed=5)
    whole.fit(X, Y, 7, 5, verbose=0)
    with pytest.raises(ZeroDivisionError):
        run(model(seed=5), callbacks.LambdaCallback(on_epoch_begin=stop))
    assert run(model(seed=6)) == whole.parameters.tobytes()


def test_a_compilation_that_fails_leaves_what_another_has_chosen() -> None:
    """As when two threads compile: names of one and numbers of the other did not fit together."""
    made = compiled(3, 4, 1)

    class Late(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            made.compile("sgd", "mse", ["mae", "mse"])
            return super().__iter__()

    with pytest.raises(ValueError, match="unknown metric"):
        made.compile("sgd", "mse", Late(["nonsense"]))
    assert made.metrics_names == ["loss", "mae", "mse"]
    assert set(made.fit(X, Y, verbose=0).history) == {"loss", "mae", "mse"}
    assert set(made.evaluate(X, Y, return_dict=True)) == {"loss", "mae", "mse"}


def test_a_compilation_during_a_training_is_refused() -> None:
    made, seen = compiled(3, 4, 1), []
    inside, done = threading.Event(), threading.Event()

    def wait(epoch: int, logs: Any) -> None:
        inside.set()
        done.wait(10)

    callback = callbacks.LambdaCallback(on_epoch_begin=wait)
    thread = threading.Thread(target=lambda: made.fit(X, Y, callbacks=callback, verbose=0))
    thread.start()
    inside.wait(10)
    for call in (lambda: made.compile("adam", "mae", ["mse"]), lambda: made.fit(X, Y, verbose=0)):
        with pytest.raises(RuntimeError, match="in use by another thread"):
            call()
        seen.append((made.metrics_names, type(made.optimizer).__name__, made.loss.kind))  # type: ignore[union-attr]
    done.set()
    thread.join()
    assert seen == [(["loss"], "SGD", "mean_squared_error")] * 2
    assert made.history is not None
    assert len(made.history.epoch) == 1


def test_an_ensemble_gives_no_list_to_change() -> None:
    ensemble = dc.Ensemble(compiled(3, 4, 1), 3)
    with pytest.raises(TypeError):
        ensemble.optimizers[0] = optimizers.SGD(0.1)  # type: ignore[index]
    ensemble.seeds[0] = 77
    assert ensemble.seeds == [0, 1, 2]
    for name in ("seeds", "optimizers", "loss"):
        with pytest.raises(AttributeError):
            setattr(ensemble, name, None)


def test_limits_are_checked_before_memory_is_taken() -> None:
    made = compiled(3, 4, 1)
    with pytest.raises(ValueError, match=r"n: found .*, wanted an integer from 1 to"):
        dc.Ensemble(made, 2**40)
    with pytest.raises(ValueError, match=r"epochs: found .*, wanted at most"):
        dc.Ensemble(made, 3).fit(X, Y, epochs=2**50, verbose=0)
    with pytest.raises(ValueError, match="num_classes: found"):
        dc.utils.to_categorical([1], 2**40)
    with pytest.raises(ValueError, match="num_classes: found"):
        dc.utils.to_categorical([2**40])
    early = callbacks.EarlyStopping("loss", patience=1, min_delta=1e9)
    assert len(made.fit(X, Y, epochs=2**62, callbacks=early, verbose=0).epoch) == 2
    assert math.isfinite(float(np.sum(made.parameters)))


@pytest.mark.parametrize(
    "hook", ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_batch_end"]
)
@pytest.mark.parametrize("name", ["compile", "add", "pop"])
def test_a_fit_keeps_what_it_trains(name: str, hook: str) -> None:
    """It went on with the old settings or layers, or reported one metric under another's name."""
    made, still = model(), model()
    calls = {
        "compile": lambda: made.compile("sgd", "mse", ["mse"]),
        "add": lambda: made.add(dc.Dense(1)),
        "pop": made.pop,
    }

    def change(*_: Any) -> None:
        with pytest.raises(RuntimeError, match=f"{name}: found a call during the model's own fit"):
            calls[name]()

    callback = callbacks.LambdaCallback(**{hook: change})  # type: ignore[arg-type]
    history = made.fit(X, Y, 20, 3, callbacks=callback, verbose=0)
    assert history.history == still.fit(X, Y, 20, 3, verbose=0).history
    np.testing.assert_array_equal(made.parameters, still.parameters)
    calls[name]()  # afterwards it may


def test_a_model_may_change_when_its_fit_has_ended() -> None:
    made = model()

    def stop(*_: Any) -> None:
        raise ZeroDivisionError

    for callback in (
        callbacks.LambdaCallback(on_train_end=lambda logs: made.compile("sgd", "mse")),
        callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: made.fit(X, Y, verbose=0)),
        callbacks.LambdaCallback(on_epoch_end=stop),
    ):
        with contextlib.suppress(ZeroDivisionError):
            made.fit(X, Y, callbacks=callback, verbose=0)
        made.compile("sgd", "mse")
