"""The caller's memory: what cannot be used is refused, and what changes underneath is noticed."""

import mmap
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc

Predict = Callable[[dc.Sequential, Any, Any], Any]

ENTRIES: dict[str, Predict] = {
    "predict_on_batch": lambda model, x, out: model.predict_on_batch(x, out=out),
    "make_predictor": lambda model, x, out: model.make_predictor(x, out)(),
    "forward": lambda model, x, out: model.forward(x, out=out),
    "forward on a tape": lambda model, x, out: model.forward(x, out=out, tape=model.make_tape()),
    "freeze": lambda model, x, out: model.freeze()(x, out=out),
    "freeze, by name": lambda model, x, out: model.freeze().predict_on_batch(x, out),
}


def make(width: int = 5) -> dc.Sequential:
    model = dc.Sequential([dc.Input(4), dc.Dense(width, "tanh"), dc.Dense(3)], seed=0)
    model.compile("sgd", "mse")
    return model


def arrays(rows: int = 6) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=(rows, n)).astype(np.float32) for n in (4, 3))


def misaligned(shape: tuple[int, int]) -> Any:
    memory = np.zeros(4 * shape[0] * shape[1] + 1, np.uint8)
    return memory[1:].view(np.float32).reshape(shape)


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


WRONG: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("list", lambda: [[0.0] * 3] * 6, TypeError, "found list, wanted a numpy.ndarray"),
    ("dtype", lambda: np.empty((6, 3)), TypeError, "found dtype float64, wanted float32"),
    ("byte order", lambda: np.empty((6, 3), ">f4"), TypeError, "found dtype >f4, wanted float32"),
    ("small", lambda: np.empty((5, 3), "f4"), ValueError, r"found shape \(5, 3\), wanted \(6, 3\)"),
    ("large", lambda: np.empty((7, 3), "f4"), ValueError, r"found shape \(7, 3\), wanted \(6, 3\)"),
    ("flat", lambda: np.empty(18, "f4"), ValueError, r"found shape \(18,\), wanted \(6, 3\)"),
    (
        "columns",
        lambda: np.empty((3, 6), "f4").T,
        ValueError,
        "found strides that are not C-contiguous",
    ),
    (
        "slice",
        lambda: np.empty((6, 6), "f4")[:, ::2],
        ValueError,
        "found strides that are not C-contiguous",
    ),
    ("misaligned", lambda: misaligned((6, 3)), ValueError, "found a misaligned array"),
    ("read-only", lambda: read_only(np.empty((6, 3), "f4")), ValueError, "found a read-only array"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=[case[0] for case in WRONG])
@pytest.mark.parametrize("entry", ENTRIES)
def test_an_output_that_cannot_be_used(entry: str, wrong: Any) -> None:
    _, out, kind, message = wrong
    with pytest.raises(kind, match=f"out: {message}"):
        ENTRIES[entry](make(), arrays()[0], out())


@pytest.mark.parametrize("first", [0, 10, 23, 24, 41, 42])
@pytest.mark.parametrize("entry", ENTRIES)
def test_an_output_that_overlaps_its_input(entry: str, first: int) -> None:
    memory = np.zeros(18 + 24 + 18, np.float32)
    x, out = memory[18:42].reshape(6, 4), memory[first : first + 18].reshape(6, 3)
    if first in (0, 42):  # just beside it
        ENTRIES[entry](make(), x, out)
        return
    with pytest.raises(ValueError, match="out: found memory that overlaps x"):
        ENTRIES[entry](make(), x, out)


class TestResizedAfterBinding:
    """`resize(refcheck=False)` frees the memory that a step was bound to."""

    @pytest.mark.parametrize("which", [0, 1, 2])
    @pytest.mark.parametrize("rows", [1, 5, 7, 100_000])
    def test_a_step_refuses_one_array_of_another_size(self, which: int, rows: int) -> None:
        x, y, weight = (*arrays(), np.ones(6, np.float32))
        model = make()
        step = model.make_train_step(x, y, weight)
        step()
        before = model.parameters.copy()
        array = (x, y, weight)[which]
        array.resize((rows, *array.shape[1:]), refcheck=False)
        with pytest.raises(ValueError, match=r"found shape .*, wanted"):
            step()
        with pytest.raises(ValueError, match=r"found shape .*, wanted"):
            step.run(3)
        assert (model.parameters == before).all()
        array.resize((6, *array.shape[1:]), refcheck=False)
        assert np.isfinite(step())

    def test_a_step_follows_all_of_them(self) -> None:
        (x, y), (bound, loose) = arrays(), (make(), make())
        step = bound.make_train_step(x, y)
        for rows in (6, 50_000, 3):
            for array in (x, y):
                array.resize((rows, array.shape[1]), refcheck=False)
                array[:] = 0.5
            assert step() == loose.train_on_batch(x, y)
        x.resize((0, 4), refcheck=False)
        y.resize((0, 3), refcheck=False)
        with pytest.raises(ValueError, match="x: found no rows"):
            step()

    def test_class_numbers(self) -> None:
        model = dc.Sequential([dc.Input(4), dc.Dense(3, "softmax")], seed=0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        x, labels = arrays()[0], np.arange(6) % 3
        step = model.make_train_step(x, labels)
        step()
        labels.resize(2, refcheck=False)
        with pytest.raises(ValueError, match=r"y: found shape \(2,\), wanted \(6,\)"):
            step()

    def test_weights_are_checked_anew(self) -> None:
        x, y = arrays()
        weight = np.ones(6, np.float32)
        step = make().make_train_step(x, y, weight)
        weight[4] = -1
        with pytest.raises(ValueError, match="sample_weight: found -1"):
            step()

    def test_a_prediction(self) -> None:
        model, (x, out) = make(), arrays()
        predict = model.make_predictor(x, out)
        predict()
        x.resize((80_000, 4), refcheck=False)
        with pytest.raises(ValueError, match=r"out: found shape \(6, 3\), wanted \(80000, 3\)"):
            predict()
        out.resize((80_000, 3), refcheck=False)
        assert predict().tobytes() == model.predict(x).tobytes()
        x.resize((2, 4), refcheck=False)
        out.resize((2, 3), refcheck=False)
        x[:] = 1
        assert predict().tobytes() == model.predict(x).tobytes()

    def test_a_forward_pass(self) -> None:
        model, (x, g) = make(), arrays()
        model.forward(x)
        x.resize((2, 4), refcheck=False)
        with pytest.raises(ValueError, match=r"x: found shape \(2, 4\), wanted \(6, 4\)"):
            model.backward(g)
        x.resize((6, 4), refcheck=False)  # other memory of the same size is read where it is
        model.backward(g)

    def test_other_changes_in_place(self) -> None:
        model, (x, out) = make(), arrays()
        predict, step = model.make_predictor(x, out), model.make_train_step(x, out.copy())
        out.flags.writeable = False
        with pytest.raises(ValueError, match="out: found a read-only array"):
            predict()
        out.flags.writeable = True
        predict()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy 2.4 would rather have a view
            x.dtype = np.int32
        for call in (predict, step):
            with pytest.raises(TypeError, match="x: found dtype int32, wanted float32"):
                call()


def test_memory_that_is_lent_cannot_be_taken_away(tmp_path: Path) -> None:
    """bytearrays and maps are held: Python refuses to resize or close them."""
    model, (x, y) = make(), arrays()
    memory = bytearray(x.tobytes())
    step = model.make_train_step(np.frombuffer(memory, np.float32).reshape(6, 4), y)
    with pytest.raises(BufferError):
        memory.extend(bytes(10**6))
    assert np.isfinite(step())

    path = tmp_path / "x"
    x.tofile(path)
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    predict = model.make_predictor(np.frombuffer(mapped, np.float32).reshape(6, 4))
    with pytest.raises(BufferError):
        mapped.close()
    assert predict().tobytes() == model.predict(x).tobytes()
    tape = model.make_tape()
    model.forward(np.memmap(path, np.float32, "r", shape=(6, 4)), tape=tape)
    model.backward(y, tape=tape)


@pytest.mark.slow
def test_freed_memory_is_not_read() -> None:
    """What `resize` frees is overwritten here: a step that read it would not see its own data."""
    code = """
import numpy as np, densecore as dc
model = dc.Sequential([dc.Input(400), dc.Dense(3)], seed=0)
model.compile("sgd", "mse")
x, y = np.ones((1000, 400), np.float32), np.ones((1000, 3), np.float32)
out = np.empty_like(y)
step, predict, tape = model.make_train_step(x, y), model.make_predictor(x, out), model.make_tape()
for number in range(50):
    model.forward(x, tape=tape)
    rows = 1 if number % 2 else 1000
    for array in (x, y, out):
        array.resize((rows, array.shape[1]), refcheck=False)
    x[:], y[:] = 1, 1
    junk = [np.full((1000, 400), np.nan, np.float32) for _ in range(3)]
    try:
        model.backward(y, tape=tape)
    except ValueError:
        pass
    assert np.isfinite(step()) and np.isfinite(predict()).all()
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MALLOC_PERTURB_": "85"},
    )
    assert done.stdout == "fine\n", done.stderr
