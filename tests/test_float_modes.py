"""What other libraries do to their thread's arithmetic does not reach the core."""

import contextlib
import ctypes
import platform
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import compiled, normal

X, Y = normal(700, 5, 1)
TINY = (X[:50] * np.float32(1e-38)).astype(np.float32)
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() != "x86_64",
    reason="the register is set through glibc's fenv_t",
)


@contextlib.contextmanager
def register(clear: int, add: int) -> Iterator[None]:
    """Change the register that says how this thread computes."""
    libm = ctypes.CDLL("libm.so.6")
    before, changed = (ctypes.c_uint32 * 8)(), (ctypes.c_uint32 * 8)()
    libm.fegetenv(before)
    ctypes.memmove(changed, before, 32)
    changed[7] = (changed[7] & ~clear & 0xFFFFFFFF) | add
    libm.fesetenv(changed)
    try:
        yield
        now = (ctypes.c_uint32 * 8)()
        libm.fegetenv(now)
        assert now[7] & 0xFFC0 == changed[7] & 0xFFC0, "the core has changed the caller's"
    finally:
        libm.fesetenv(before)


MODES = {
    "down": (0x6000, 0x2000),
    "up": (0x6000, 0x4000),
    "to zero": (0x6000, 0x6000),
    "flush": (0, 0x8040),  # subnormal results and inputs are zero: -ffast-math
    "signals": (0x0E80, 0),  # division by zero, overflow, invalid
}


def results() -> list[Any]:
    model = compiled(5, (64, "tanh"), (64, "gelu"), 1, optimizer="adam")
    first = model.predict(X), model.predict(TINY), model.predict_on_batch(X[:1])
    frozen = model.freeze()
    history = model.fit(X, Y, 256, 2, verbose=0).history["loss"]
    found = [*first, frozen(X), frozen(X[:1]), history, model.train_on_batch(X[:3], Y[:3])]
    found += [model.evaluate(X, Y, verbose=0), model.evaluate(TINY, Y[:50], verbose=0)]
    step = model.make_train_step(X[:8].copy(), Y[:8].copy())
    found += [step(), model.forward(X[:20]).copy(), model.parameters.copy()]
    ensemble = dc.Ensemble(compiled(5, (8, "relu"), 1), 3)
    found += [ensemble.fit(X, Y, epochs=1), ensemble.predict(X)]
    with np.errstate(all="ignore"):
        found.append(compiled(1, 1, loss="mse").evaluate([[1e38]], [[-1e38]], verbose=0))
    return found[:-3] + found[-2:]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_the_bits_are_the_usual_ones(mode: str, threads: int) -> None:
    before = dc.get_num_threads()
    try:
        dc.set_num_threads(threads)
        expected = results()
        with register(*MODES[mode]):
            found = results()
    finally:
        dc.set_num_threads(before)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_threads_do_not_inherit_it() -> None:
    """Those of the pool are made by the first call that needs them."""
    before = dc.get_num_threads()
    model = compiled(5, (256, "tanh"), (256, "tanh"), 1)
    rows = np.tile(X, (8, 1))
    expected = model.predict(rows)
    try:
        with register(*MODES["up"]):
            dc.set_num_threads(before + 3)
            found = model.predict(rows)
    finally:
        dc.set_num_threads(before)
    np.testing.assert_array_equal(found, expected)
