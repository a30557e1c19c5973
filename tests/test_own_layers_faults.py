"""Custom layers whose `call` does what it should not: refused by one sentence, at once."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import normal
from densecore import layers, ops

X = normal(32, 4)


def own(call: Callable[..., Any], build: Callable[..., Any] | None = None) -> Any:
    methods = {"call": call} if build is None else {"call": call, "build": build}
    return type("Own", (layers.Layer,), methods)()


def stack(*parts: Any) -> dc.Sequential:
    return dc.Sequential([dc.Input(4), *parts], seed=0)


def kernel(layer: Any, shape: Any) -> None:
    layer.kernel = layer.add_weight(shape=(4, 2))


@pytest.mark.parametrize(
    "returned", [None, 1.0, "x", np.ones((32, 4)), [], {}, (i for i in range(3)), dc.Dense(2)]
)
def test_what_call_returns(returned: Any) -> None:
    with pytest.raises(TypeError, match="returned by call, wanted what layers"):
        stack(own(lambda self, x: returned)).predict(X)


def test_a_symbol_is_no_condition() -> None:
    """As every object it was true: the network was that of one branch."""
    for call in (
        lambda self, x: x if x > 0 else -x,
        lambda self, x: x * (x or 1),
        lambda self, x: x if x else -x,
    ):
        with pytest.raises(TypeError, match="as a condition, wanted a function"):
            stack(own(call)).predict(X)


def test_a_layer_that_calls_itself() -> None:
    alone = own(lambda self, x: alone(x) + x)
    first, second = own(lambda self, x: second(x)), own(lambda self, x: first(x))
    for layer in (alone, first):
        with pytest.raises(TypeError, match="class Own: found a call of the layer within its own"):
            stack(layer).predict(X)
    assert stack(own(lambda self, x: ops.relu(x))).predict(X).min() == 0


def test_a_build_that_failed_is_made_again() -> None:
    attempts: list[int] = []

    def build(layer: Any, shape: Any) -> None:
        attempts.append(1)
        kernel(layer, shape)
        if len(attempts) == 1:
            raise RuntimeError("no kernel today")
        layer.second = layer.add_weight(shape=(2, 2))

    layer = own(lambda self, x: ops.matmul(ops.matmul(x, self.kernel), self.second), build)
    with pytest.raises(RuntimeError, match="today"):
        stack(layer).predict(X)
    model = stack(layer)
    assert model.predict(X).shape == (32, 2)
    assert model.count_params() == 12


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.where(x > 0, x, 0.0) - np.mean(np.asarray(x)),
        lambda x: np.sort(x, axis=0),
        lambda x: np.cumsum(np.asarray(x), axis=0),
        lambda x: np.where(x > 0, x, 0.0)[:, ::-1],
    ],
)
def test_functions_that_look_at_other_elements_see_the_whole_batch(function: Any) -> None:
    dense = layers.Dense(4, activation=function)
    for model, seen in (
        (stack(own(lambda self, x: function(x))), lambda x: x),
        (stack(dense), lambda x: x @ dense.kernel + dense.bias),
    ):
        wanted = function(np.asarray(seen(X), np.float64))
        np.testing.assert_allclose(model.predict(X, batch_size=len(X)), wanted, atol=1e-5)
    columns = stack(own(lambda self, x: np.where(x > 0, x, 0.0) * np.arange(4)))
    assert (columns.predict(X)[:5] == columns.predict(X[:5])).all()


def test_several_outputs_within_a_sequential() -> None:
    both = own(lambda self, x: [x, x * 2])
    with pytest.raises(ValueError, match="found 2 outputs at the end of a Sequential, wanted one"):
        stack(both).predict(X)
    for two in (both, own(lambda self, x: {"a": x * 2, "b": x})):
        with pytest.raises(ValueError, match="layer dense: found 2 inputs, wanted one"):
            stack(two, dc.Dense(1)).predict(X)


def test_weights_are_numbers_while_another_thread_describes_a_layer() -> None:
    ready = own(lambda self, x: ops.matmul(x, self.kernel), kernel)
    stack(ready).predict(X)
    describes, read = threading.Event(), threading.Event()

    def call(self: Any, x: Any) -> Any:
        describes.set()
        assert read.wait(30)
        return x * 2

    thread = threading.Thread(target=lambda: stack(own(call)).predict(X))
    thread.start()
    try:
        assert describes.wait(30)
        assert ready.kernel.value.shape == (4, 2)
        assert np.add(ready.kernel, 1).shape == (4, 2)
    finally:
        read.set()
        thread.join()


def test_two_threads_that_use_a_layer_first_make_its_weights_once() -> None:
    made: list[int] = []
    both = threading.Barrier(2)

    def build(layer: Any, shape: Any) -> None:
        made.append(1)
        time.sleep(0.05)
        kernel(layer, shape)

    layer = own(lambda self, x: ops.matmul(x, self.kernel), build)
    failed: list[BaseException] = []

    def describe() -> None:
        both.wait(30)
        try:
            layer(dc.Input(4))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=describe) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(made) == len(layer._own_weights()) == 1


@pytest.mark.parametrize(
    "step", [np.sign, np.floor, lambda h: h > 0, lambda h: np.greater(h, 0) * 2]
)
def test_steps_within_a_model_have_no_slope(step: Callable[[Any], Any]) -> None:
    """A model with one predicted, and could not be trained."""
    x = dc.Input(4)
    h = dc.Dense(3)(x)
    model = dc.Model(x, dc.Dense(1)(h + step(h)), seed=0)
    model.compile("sgd", "mse")
    before, target = model.get_weights(), X[:, :1]
    loss = model.train_on_batch(X, target)
    assert np.isfinite(loss)
    hidden = X @ before[0] + before[1]
    values = hidden + np.asarray(step(hidden), np.float32)
    error = 2 / len(X) * (values @ before[2] + before[3] - target)
    wanted = before[0] - 0.01 * X.T @ (error @ before[2].T)
    np.testing.assert_allclose(model.get_weights()[0], wanted, rtol=1e-4, atol=1e-6)


class Difference(layers.Layer):
    def call(self, a: Any, b: Any) -> Any:
        return a - b, layers.concatenate([a, b])


class OfAList(layers.Layer):
    def call(self, parts: Any) -> Any:
        return parts[0] - 2 * parts[1]


def test_layers_of_several_inputs_are_read_from_files(tmp_path: Path) -> None:
    a, b = dc.Input(4), dc.Input(4)
    first, both = Difference()(a, b)
    model = dc.Model([a, b], [OfAList()([first, b]), both], seed=0)
    model.save(tmp_path / "model")
    known = {"Difference": Difference, "OfAList": OfAList}
    loaded = dc.load_model(tmp_path / "model", custom_objects=known)
    for one, other in zip(model.predict([X, 2 * X]), loaded.predict([X, 2 * X]), strict=True):
        assert (one == other).all()


class Alone(layers.Layer):
    def build(self, input_shape: Any) -> None:
        self.alone = self.add_weight((input_shape[-1],), "ones")

    def call(self, x: Any) -> Any:
        return np.tanh(self.alone) * x


def test_the_optimizers_state_of_a_weight_that_stands_by_itself(tmp_path: Path) -> None:
    for parts in ([Alone()], [dc.Dense(4), Alone(), dc.Dense(1)]):
        model = stack(*parts)
        model.compile("adam", "mse")
        model.fit(X, X[:, : model.output_shape[1]], verbose=0)
        model.save(tmp_path / "model", overwrite=True)
        loaded = dc.load_model(tmp_path / "model", custom_objects={"Alone": Alone})
        assert (loaded.predict(X) == model.predict(X)).all()
