"""Frozen models: the model's bits, whatever happens to it, from any thread."""

import copy
import gc
import pickle
import subprocess
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers
from test_layers import INPUTS, STACKS, data, model_of

DENSE: dict[str, Any] = {
    "tiny": lambda: [dc.Dense(4, "sigmoid"), dc.Dense(2, "softmax")],
    "narrow": lambda: [dc.Dense(64, "relu"), dc.Dense(37, "tanh", use_bias=False), dc.Dense(5)],
    "one wide": lambda: [dc.Dense(300, "gelu"), dc.Dense(5)],
    "large": lambda: [dc.Dense(300, "relu"), dc.Dense(300, "tanh"), dc.Dense(5, "softmax")],
    "linear alone": lambda: [layers.Dropout(0.5)],
    "activation late": lambda: [dc.Dense(9), layers.Dropout(0.5), layers.Activation("tanh")],
}


def models(dtype: str) -> list[tuple[str, dc.Sequential]]:
    dense = [
        (name, dc.Sequential([dc.Input(INPUTS), *make()], dtype=dtype, seed=2))
        for name, make in DENSE.items()
    ]
    return dense + [(name, model_of(name, dtype)) for name in STACKS]


@pytest.mark.parametrize("name", [*DENSE, *STACKS])
def test_the_bits_are_the_models(name: str, dtype: str) -> None:
    model = dict(models(dtype))[name]
    frozen = model.freeze()
    x = data(dtype, 1500)
    expected = model.predict(x)
    assert frozen(x).tobytes() == expected.tobytes()
    out = np.empty_like(expected)
    for begin, end in ((0, 1), (1, 2), (2, 80), (80, 1500)):
        part = frozen.predict_on_batch(x[begin:end], out=out[begin:end])
        assert part.base is out
    assert out.tobytes() == expected.tobytes()
    for other in (pickle.loads(pickle.dumps(frozen)), copy.deepcopy(frozen)):
        assert other(x).tobytes() == expected.tobytes()
    assert frozen.input_shape == (None, INPUTS)
    assert frozen.output_shape == model.output_shape
    assert frozen.dtype == dtype


def test_what_happens_to_the_model_does_not_matter(dtype: str) -> None:
    model = model_of("batch norm", dtype)
    model.compile("adam", "mse")
    x = data(dtype)
    frozen, expected = model.freeze(), model.predict(x)
    pickled = pickle.dumps(frozen)
    model.fit(x, np.ones((len(x), 3), dtype), epochs=2, verbose=0)
    for array in model.weights:
        array[...] = np.nan
    assert frozen(x).tobytes() == expected.tobytes()
    del model
    gc.collect()
    assert frozen(x).tobytes() == expected.tobytes()
    for text in (pickled, pickle.dumps(frozen)):
        assert pickle.loads(text)(x).tobytes() == expected.tobytes()


def test_another_dtype() -> None:
    model = model_of("batch norm", "float64")
    twin = model_of("batch norm", "float32")
    for theirs, ours in zip(twin.weights, model.weights, strict=True):
        theirs[...] = ours
    x = data("float32")
    assert model.freeze("float32")(x).tobytes() == twin.predict(x).tobytes()
    assert model.freeze("float32").dtype == "float32"
    double = twin.freeze(dtype="float64")
    np.testing.assert_allclose(double(x.astype(float)), model.predict(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="dtype: found 'float16', wanted"):
        model.freeze("float16")
    model.layers[0].weights[0][0, 0] = 1e300
    with pytest.raises(ValueError, match="overflows float32"):
        model.freeze("float32")


def test_functions_of_ones_own() -> None:
    def relu(x: Any) -> Any:
        return np.maximum(x, 0)

    def slope(x: Any, a: Any) -> Any:
        return x > 0

    stack = [dc.Dense(4), layers.Dropout(0.1), layers.Activation((relu, slope)), dc.Dense(2)]
    model = dc.Sequential([dc.Input(INPUTS), *stack], seed=0)
    x = data("float32")
    assert model.freeze()(x).tobytes() == model.predict(x).tobytes()


def test_what_does_nothing_is_left_out() -> None:
    stack = [dc.Dense(4), layers.Dropout(0.1), dc.Dense(2), layers.Activation("linear")]
    frozen = dc.Sequential([dc.Input(INPUTS), *stack]).freeze()
    assert [spec["kind"] for spec in frozen.__reduce__()[1][1]] == ["dense", "dense"]


class TestErrors:
    frozen: Any = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=0).freeze()
    x = np.ones((4, 3), np.float32)

    def test_arrays(self) -> None:
        memory = np.zeros(20, np.float32)
        for call, kind, message in [
            (lambda: self.frozen([[1, 2, 3]]), TypeError, "x: found list, wanted"),
            (lambda: self.frozen(self.x.astype(float)), TypeError, "x: found dtype float64"),
            (lambda: self.frozen(self.x[:, :2].copy()), ValueError, r"wanted \(any, 3\)"),
            (lambda: self.frozen(self.x[::2]), ValueError, "not C-contiguous"),
            (lambda: self.frozen(self.x, np.empty((3, 2), "f4")), ValueError, r"wanted \(4, 2\)"),
            (lambda: self.frozen(memory[:12].reshape(4, 3), out=memory[8:16].reshape(4, 2)),
             ValueError, "out: found memory that overlaps x"),
            (lambda: self.frozen(), TypeError, "missing argument 'x'"),
            (lambda: self.frozen(self.x, y=1), TypeError, "unexpected argument 'y'"),
            (lambda: self.frozen(self.x, None, 1), TypeError, "found 3 arguments"),
        ]:  # fmt: skip
            with pytest.raises(kind, match=message):
                call()

    def test_immutable(self) -> None:
        with pytest.raises(AttributeError):
            self.frozen.parameters = 1
        assert repr(self.frozen) == "<frozen network 3 -> 2, float32, 8 parameters>"
        assert self.frozen.count_params() == 8
        assert copy.copy(self.frozen) is self.frozen

    def test_not_initialised(self) -> None:
        kind = type(self.frozen)
        with pytest.raises(TypeError):
            kind(3, [], np.ones(3, np.float32), [], {}, 1)
        with pytest.raises(TypeError, match="found a call of __new__, wanted one of the class"):
            kind.__new__(kind)
        inputs, specs, parameters, *rest = self.frozen.__reduce__()[1]
        with pytest.raises(ValueError, match=r"parameters: found shape \(7,\), wanted \(8,\)"):
            kind(inputs, specs, parameters[:7], *rest)


@pytest.mark.parametrize("name", ["tiny", "one wide", "large", "batch norm"])
def test_many_threads_at_once(name: str) -> None:
    """Rows of other numbers in each thread: none may get those of another."""
    model = dict(models("float32"))[name]
    frozen = model.freeze()
    xs = [np.ascontiguousarray(data("float32", 40 * n)[::-1] / (n + 1)) for n in range(1, 5)]
    expected = [model.predict(x).tobytes() for x in xs]
    wrong: list[int] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        x, out = xs[number], np.empty((len(xs[number]), model.output_shape[1]), np.float32)
        start.wait()
        for _ in range(60):
            if frozen(x, out).tobytes() != expected[number]:
                wrong.append(number)
            if frozen(x[:1]).tobytes() != expected[number][: 4 * out.shape[1]]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_arrays_are_not_kept() -> None:
    frozen, x = TestErrors.frozen, np.ones((4, 3), np.float32)
    before = sys.getrefcount(x)
    out = frozen(x)
    assert sys.getrefcount(x) == before
    alive = weakref.ref(out)
    del out
    assert alive() is None


@pytest.mark.measures
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_calls_do_not_grow_the_process() -> None:
    code = """
import numpy as np, densecore as dc
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])
for sizes in ((5, 4, 3, 2), (6, 90, 2)):
    model = dc.Sequential([dc.Input(sizes[0]), *map(dc.Dense, sizes[1:])], seed=0)
    frozen, x = model.freeze(), np.ones((1, sizes[0]), np.float32)
    out = np.empty((1, 2), np.float32)
    for number in range(2):
        for _ in range(150_000):
            frozen(x, out)
            frozen(x)
        if number == 0:
            before = resident()
    print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(int(pages) < 64 for pages in done.stdout.split()), done.stdout
