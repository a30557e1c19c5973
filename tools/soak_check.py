"""Do everything over and over for a long time: memory, files and threads must stay as they are.

    python tools/soak_check.py [--minutes N] [--seed N]

Random networks are made, trained in every way, predicted with, saved, loaded, copied, pickled,
frozen, put into ensembles, interrupted by exceptions, and forgotten. After a tenth of the time
memory is measured for the first time, in three ways: what malloc has given out and not got back,
how many blocks of memory Python's objects have, and what the process has of the system. At the end
they may be at most 0.25 MB, 500 blocks and 2 MB larger than the median of the measurements in the
first third, the number of open files and of threads the same. Prints a line a minute; a growth, a
file that stays open or any exception gives status 1. Linux; runs the densecore that is installed.
"""

import argparse
import contextlib
import copy
import ctypes
import gc
import os
import pickle
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import densecore as dc
from densecore import layers

# malloc with one arena and without a cache for each thread: it counts what lies in those caches as
# used, and gives back nothing of other arenas' ends; both grow for hours with networks' sizes.
TUNABLES = "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1"
MALL_INFO_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
MEASUREMENTS = 300  # in all the time


class MallInfo(ctypes.Structure):
    """What glibc's mallinfo2 tells, of all its arenas together."""

    _fields_ = [(name, ctypes.c_size_t) for name in MALL_INFO_FIELDS.split()]


class Memory(NamedTuple):
    """In megabytes what malloc has given out (0 without glibc 2.33) and what the process has, and
    the number of blocks of Python's objects."""

    given_out: float
    blocks: float
    resident: float

    def beyond(self, first: "Memory") -> list[str]:
        """What is larger than it was by more than is allowed."""
        names = "MB in use", "blocks of Python's objects", "MB resident"
        rows = zip(names, first, self, ALLOWED, strict=True)
        return [
            f"{name}: {before:.2f}, then {after:.2f}, more than {allowed} larger"
            for name, before, after, allowed in rows
            if after > before + allowed
        ]

    def __str__(self) -> str:
        return f"{self[0]:.2f} MB in use, {self[1]:.0f} blocks, {self[2]:.1f} MB resident"


ALLOWED = Memory(0.25, 500, 2)


def fill_cache_of_small_arrays() -> None:
    """NumPy keeps up to seven freed arrays of every size below 1,024 bytes, 3.5 MB in all.

    Random networks meet a new size now and then: memory would grow for hours, and seem to leak.
    """
    _ = [np.empty(size, "u1") for size in range(1, 1024) for _ in range(7)]


def measured() -> Memory:
    """Without what malloc keeps for later, which depends on the last networks' sizes and made the
    measurement change by 10 MB, and without the names that Python has in its cache of attributes:
    it keeps up to 4,096 strings that were made for a getattr."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # of CPython, until 3.14
        sys._clear_type_cache()
    given_out = 0
    with contextlib.suppress(AttributeError):  # of glibc
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        libc.mallinfo2.restype = MallInfo
        info = libc.mallinfo2()
        given_out = info.uordblks + info.hblkhd
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    in_bytes = pages * os.sysconf("SC_PAGE_SIZE")
    return Memory(given_out / 2**20, sys.getallocatedblocks(), in_bytes / 2**20)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def native_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def random_model(rng: np.random.Generator) -> dc.Sequential:
    stack: list[Any] = [dc.Input(int(rng.integers(1, 40)))]
    names = [name for name in dc.activations.names() if "softmax" not in name]
    for _ in range(rng.integers(1, 4)):
        stack.append(dc.Dense(int(rng.integers(1, 200)), str(rng.choice(names))))
        if rng.random() < 0.3:
            stack.append(layers.BatchNormalization())
        if rng.random() < 0.3:
            stack.append(layers.Dropout(0.2))
    stack.append(dc.Dense(3, "softmax"))
    model = dc.Sequential(stack, dtype=str(rng.choice(["float32", "float64"])), seed=1)
    optimizer = str(rng.choice(dc.optimizers.names()))
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    return model


class StopNowError(Exception):
    pass


def fail(epoch: int, logs: Any) -> None:
    raise StopNowError


def once(rng: np.random.Generator, folder: Path) -> None:
    model = random_model(rng)
    rows, columns = int(rng.integers(2, 400)), model.input_shape[1]
    x = rng.normal(size=(rows, columns)).astype(model.dtype)
    y = rng.integers(0, 3, rows)
    size = int(rng.choice([1, 7, 32, rows]))
    model.fit(x, y, size, verbose=0, validation_split=0.2)
    deeds: list[Callable[[], Any]] = [
        lambda: model.predict(x, verbose=0),
        lambda: model.evaluate(x, y, verbose=0),
        lambda: model.train_on_batch(x, y),
        lambda: model.make_train_step(x, y.astype("i4"))(),
        lambda: model.make_predictor(x, model.predict(x, verbose=0))(),
        lambda: [model.make_tape() for _ in range(3)],
        lambda: model.freeze()(x),
        lambda: copy.deepcopy(model).predict(x, verbose=0),
        lambda: pickle.loads(pickle.dumps(model)).fit(x, y, size, verbose=0),
        lambda: model.save(folder / "model", overwrite=True),
        lambda: dc.load_model(folder / "model") if (folder / "model").exists() else None,
        lambda: model.set_weights(model.get_weights()),
        lambda: model.fit(x.tolist(), y.tolist(), size, verbose=0),
        lambda: model.jacobian(x[:5]),
        lambda: dc.Ensemble(model, 5).fit(x, y, epochs=1, batch_size=size, verbose=0),
        lambda: dc.set_num_threads(int(rng.integers(1, 4))),
    ]
    for place in rng.permutation(len(deeds))[:6]:
        deeds[place]()
    with contextlib.suppress(StopNowError):
        model.fit(x, y, verbose=0, callbacks=[dc.callbacks.LambdaCallback(on_epoch_begin=fail)])
    for wrong in (x[:, :-1], "text", None, x.astype("complex64")):
        with contextlib.suppress(ValueError, TypeError):
            model.predict(wrong, verbose=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    if os.environ.get("GLIBC_TUNABLES") != TUNABLES:  # read when a process begins
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "GLIBC_TUNABLES": TUNABLES})
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    rng = np.random.default_rng(args.seed)
    start, seconds = time.monotonic(), 60 * args.minutes
    found = np.empty((MEASUREMENTS, 3))  # a list would be the growth that is looked for
    begun: tuple[int, int] | None = None
    runs, count, said = 0, 0, 0.0
    fill_cache_of_small_arrays()
    with tempfile.TemporaryDirectory() as folder:
        while (now := time.monotonic() - start) < seconds:
            once(rng, Path(folder))
            runs += 1
            if now < seconds / 10 * (1 + 9 * count / MEASUREMENTS):
                continue
            if begun is None:
                dc.set_num_threads(3)
                begun = open_files(), threading.active_count()
            found[count] = measured()
            count += 1
            if now - said > 60:
                said = now
                print(
                    f"{now / 60:5.1f} min  {runs} models  {Memory(*found[count - 1])}", flush=True
                )
    # Of the first third of the time, which began after a tenth of it; and of the last few models.
    first, last = (
        Memory(*np.median(part, axis=0))
        for part in (found[: count // 4], found[count - 10 : count])
    )
    wrong = last.beyond(first)
    if (open_files(), threading.active_count()) != begun:
        wrong.append(f"open files and threads: {open_files(), threading.active_count()}, {begun}")
    print(f"{runs} models, {native_threads()} threads\nbefore: {first}\nafter:  {last}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
