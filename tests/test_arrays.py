"""What happens to the caller's memory: used where it lies, or refused; never misread."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc


def make(dtype: str = "float32", **kwargs: Any) -> dc.Sequential:
    model = dc.Sequential([dc.Input(5), dc.Dense(4, "tanh"), dc.Dense(3)], dtype=dtype, seed=0)
    model.compile("sgd", kwargs.get("loss", "mse"))
    return model


X = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)


def misaligned(array: np.ndarray) -> np.ndarray:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


# How an array may lie in memory, and what a hot-path call says to it (None: it is used).
LAYOUTS: list[tuple[str, Any, str | None]] = [
    ("plain", lambda a: a, None),
    ("read-only", read_only, None),
    ("every second row", lambda a: np.repeat(a, 2, axis=0)[::2], "not C-contiguous"),
    ("Fortran order", np.asfortranarray, "not C-contiguous"),
    ("reversed", lambda a: a[::-1].copy()[::-1], "not C-contiguous"),
    ("misaligned", misaligned, "a misaligned array"),
    ("big-endian", lambda a: a.astype(">f4"), "dtype >f4"),
    ("float64", lambda a: a.astype(np.float64), "dtype float64"),
    ("float16", lambda a: a.astype(np.float16), "dtype float16"),
    ("int32", lambda a: a.astype(np.int32), "dtype int32"),
    ("list", lambda a: a.tolist(), "found list"),
    ("one dimension", lambda a: a[0].copy(), "found shape (5,), wanted (any, 5)"),
    ("three dimensions", lambda a: a[None], "found shape (1, "),
    ("too narrow", lambda a: a[:, :4].copy(), "found shape (8, 4), wanted (any, 5)"),
    ("None", lambda a: None, "found NoneType"),
]


@pytest.mark.parametrize(("layout", "complaint"), [row[1:] for row in LAYOUTS],
                         ids=[row[0] for row in LAYOUTS])  # fmt: skip
def test_hot_path_uses_or_refuses(layout: Any, complaint: str | None) -> None:
    model = make()
    x = layout(X)
    before = model.parameters.copy()
    out = np.empty((8, 3), np.float32)
    calls = [
        lambda: model.predict_on_batch(x, out=out),
        lambda: model.forward(x),
        lambda: model.make_train_step(x, Y),
        lambda: model.make_predictor(x, out),
    ]
    for call in calls:
        if complaint is None:
            call()
        else:
            with pytest.raises((TypeError, ValueError)) as error:
                call()
            assert complaint in str(error.value)
            assert str(error.value).startswith("x: found ")
            assert "wanted" in str(error.value)
            assert (model.parameters == before).all()


CONVERTIBLE = [row for row in LAYOUTS[:11] if row[0] not in ("float16", "int32")]


@pytest.mark.parametrize("layout", [row[1] for row in CONVERTIBLE],
                         ids=[row[0] for row in CONVERTIBLE])  # fmt: skip
def test_convenience_calls_convert(layout: Any) -> None:
    expected = make().predict(X)
    np.testing.assert_array_equal(make().predict(layout(X)), expected)
    model, plain = make(), make()
    plain.fit(X, Y, verbose=0)
    model.fit(layout(X), Y, verbose=0)
    np.testing.assert_array_equal(model.parameters, plain.parameters)
    assert make().evaluate(layout(X), Y) == make().evaluate(X, Y)


def test_nothing_is_copied_when_nothing_has_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    from densecore._data import arrays as _arrays

    x, y = read_only(X), read_only(Y)
    assert _arrays.as_matrix("x", x, np.dtype("float32"), (5,)) is x
    assert _arrays.as_targets(y, np.dtype("float32"), 8, 3) is y
    labels = np.zeros(8, np.int32)
    assert _arrays.as_labels(labels, 8, 3) is labels


def test_memory_maps_are_used_in_place(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    model = make()
    assert model.predict_on_batch(mapped).tobytes() == model.predict_on_batch(X).tobytes()
    a, b = make(), make()
    a.fit(mapped, Y, epochs=3, verbose=0)
    b.fit(X, Y, epochs=3, verbose=0)
    assert a.parameters.tobytes() == b.parameters.tobytes()


def test_out_is_written_and_returned() -> None:
    model = make()
    out = np.full((8, 3), np.nan, np.float32)
    assert model.predict_on_batch(X, out=out) is out
    np.testing.assert_array_equal(out, model.predict(X))
    out[:] = np.nan
    assert model.forward(X, out=out) is out
    np.testing.assert_array_equal(out, model.predict(X))


@pytest.mark.parametrize(
    ("out", "complaint"),
    [
        (np.zeros((8, 4), np.float32), r"found shape \(8, 4\), wanted \(8, 3\)"),
        (np.zeros((7, 3), np.float32), r"found shape \(7, 3\), wanted \(8, 3\)"),
        (np.zeros((8, 3)), "dtype float64, wanted float32"),
        (np.zeros((3, 8), np.float32).T, "not C-contiguous"),
        (read_only(np.zeros((8, 3), np.float32)), "read-only array, wanted a writable one"),
        ([0.0], "found list"),
    ],
)
def test_bad_out_is_refused(out: Any, complaint: str) -> None:
    for call in (make().predict_on_batch, make().forward):
        with pytest.raises((TypeError, ValueError), match="out: found") as error:
            call(X, out=out)
        assert error.match(complaint)


def test_out_may_not_overlap_the_input() -> None:
    model = dc.Sequential([dc.Input(3), dc.Dense(3)], seed=0)
    memory = np.zeros((10, 3), np.float32)
    for out in (memory[:8], memory[1:9]):
        with pytest.raises(ValueError, match="out: found memory that overlaps x"):
            model.predict_on_batch(memory[:8], out=out)
    model.predict_on_batch(memory[:5], out=memory[5:])


def test_out_may_not_be_the_model_itself() -> None:
    """Later rows would be computed with weights that the first ones have written over."""
    model = dc.Sequential([dc.Input(3), dc.Dense(4, "relu"), dc.Dense(3)], seed=0)
    before = model.parameters.copy()
    out = model.parameters[:24].reshape(8, 3)
    calls = (model.predict_on_batch, model.forward)
    for call in (*calls, lambda x, out: model.make_predictor(x, out)):
        with pytest.raises(ValueError, match="out: found memory that overlaps the model's param"):
            call(X[:, :3].copy(), out=out)
    np.testing.assert_array_equal(model.parameters, before)


def test_parameters_and_gradients_are_views() -> None:
    model = make()
    assert model.parameters.shape == (5 * 4 + 4 + 4 * 3 + 3,)
    model.parameters[:] = np.arange(model.parameters.size)
    first, second = model.layers
    np.testing.assert_array_equal(first.kernel, np.arange(20).reshape(5, 4))
    np.testing.assert_array_equal(first.weight, np.arange(20).reshape(5, 4).T)
    np.testing.assert_array_equal(first.bias, np.arange(20, 24))
    np.testing.assert_array_equal(second.kernel, np.arange(24, 36).reshape(4, 3))
    assert first.weight.shape == (4, 5)
    first.weight[2, 1] = -1
    assert model.parameters[1 * 4 + 2] == -1
    model.train_on_batch(X, Y)
    flat = np.concatenate(
        [g.ravel() for la in model.layers for g in (la.kernel_gradient, la.bias_gradient)]
    )
    np.testing.assert_array_equal(flat, model.gradients)
    np.testing.assert_array_equal(first.weight_gradient, first.kernel_gradient.T)
    weights = np.concatenate([w.ravel() for w in model.get_weights()])
    np.testing.assert_array_equal(weights, model.parameters)


def test_views_outlive_the_model() -> None:
    model = make()
    parameters, kernel = model.parameters, model.layers[0].kernel
    expected = parameters.copy()
    del model
    junk = [np.full(1000, 7.0) for _ in range(100)]
    np.testing.assert_array_equal(parameters, expected)
    np.testing.assert_array_equal(kernel.ravel(), expected[:20])
    del junk


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_labels_of_both_integer_types(dtype: Any) -> None:
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1], dtype)
    a, b = (make(loss="sparse_categorical_crossentropy") for _ in range(2))
    a.train_on_batch(X, labels)
    b.train_on_batch(X, labels.astype(np.int32))
    assert a.parameters.tobytes() == b.parameters.tobytes()


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        (np.array([0, 1, 2, 3, 0, 0, 0, 0]), "found class 3 in row 3, wanted class numbers 0 to 2"),
        (
            np.array([0, 1, -1, 0, 0, 0, 0, 0]),
            "found class -1 in row 2, wanted class numbers 0 to 2",
        ),
        (np.zeros(7, np.int64), r"found shape \(7,\), wanted \(8,\)"),
        (np.full(8, 0.5, np.float32), "found class 0.5 in row 0, wanted class numbers"),
        (np.zeros((8, 3), np.int64), r"found shape \(8, 3\), wanted \(8,\)"),
    ],
)
def test_bad_labels_are_refused_on_the_hot_path(labels: np.ndarray, complaint: str) -> None:
    model = make(loss="sparse_categorical_crossentropy")
    before = model.parameters.copy()
    with pytest.raises((TypeError, ValueError), match=complaint):
        model.train_on_batch(X, labels)
    np.testing.assert_array_equal(model.parameters, before)


# Counts every request for memory, C++'s own included; Python asks malloc for itself as it is told.
COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
static volatile long requests;
long requests_so_far(void) { return requests; }
#define COUNTED(name, parameters, arguments)                                  \
  void* name parameters {                                                     \
    static void* (*original) parameters;                                      \
    if (!original) original = (void* (*) parameters)dlsym(RTLD_NEXT, #name);  \
    __atomic_add_fetch(&requests, 1, __ATOMIC_RELAXED);                       \
    return original arguments;                                                \
  }
COUNTED(malloc, (size_t size), (size))
COUNTED(realloc, (void* old, size_t size), (old, size))
COUNTED(aligned_alloc, (size_t alignment, size_t size), (alignment, size))
"""

COUNTED_TRAINING = """
import ctypes, numpy as np, densecore as dc
requests = ctypes.CDLL(None).requests_so_far
requests.restype = ctypes.c_long
model = dc.Sequential([dc.Input(5), dc.Dense(40, "tanh"), dc.Dense(3, "softmax")], seed=0)
model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
x, y = np.ones((20_000, 5), np.float32), np.zeros(20_000, np.int32)
counts = []
for rows in (20_000, 2_000, 20_000):
    before = requests()
    model.fit(x[:rows], y[:rows], batch_size=10, epochs=1, verbose=0)
    counts.append(requests() - before)
print(counts[2] - counts[1])
"""


@pytest.mark.measures
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs LD_PRELOAD")
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_training_allocates_nothing_per_step(tmp_path: Path) -> None:
    """1800 more steps ask for no more memory than 200: neither Python nor C++ does."""
    source, library = tmp_path / "counter.c", tmp_path / "counter.so"
    source.write_text(COUNTER)
    build = ["cc", "-shared", "-fPIC", "-O1", "-w", str(source), "-o", str(library), "-ldl"]
    subprocess.run(build, check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc"}
    done = subprocess.run(
        [sys.executable, "-c", COUNTED_TRAINING],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert abs(int(done.stdout)) < 20


def test_values_beyond_float32_are_refused() -> None:
    x = X.astype(np.float64)
    x[3, 2] = 1e39
    with pytest.raises(ValueError, match=r"x: found 1e\+39, which overflows float32"):
        make().predict(x)
    assert np.isfinite(make("float64").predict(x)).all()


@pytest.mark.parametrize(
    "x",
    [np.array([["a"] * 5]), np.zeros((2, 5), complex), [[1, 2], [3]], np.zeros((2, 5), "M8[s]")],
)
def test_what_is_not_numbers_is_refused(x: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="x: found"):
        make().predict(x)


def test_booleans_and_integers_are_numbers() -> None:
    x = np.array([[0, 1, 1, 0, 1]])
    expected = make().predict(x.astype(np.float32))
    np.testing.assert_array_equal(make().predict(x), expected)
    np.testing.assert_array_equal(make().predict(x.astype(bool)), expected)
    np.testing.assert_array_equal(make().predict(x.tolist()), expected)
    np.testing.assert_array_equal(make().predict(x.astype(object)), expected)


def test_no_rows() -> None:
    model = make()
    empty = np.zeros((0, 5), np.float32)
    assert model.predict(empty).shape == (0, 3)
    assert model.predict_on_batch(empty).shape == (0, 3)
    for call in (model.train_on_batch, lambda x, y: model.fit(x, y, verbose=0), model.evaluate):
        with pytest.raises(ValueError, match="found no rows, wanted at least one"):
            call(empty, np.zeros((0, 3), np.float32))
