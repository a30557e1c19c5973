"""Do everything over and over for a long time: memory, files and threads must stay as they are.

    python tools/soak_check.py [--minutes N] [--seed N]

Random networks are made, trained in every way, predicted with, saved, loaded, copied, pickled,
frozen, put into ensembles, interrupted by exceptions, and forgotten. After a tenth of the time the
resident memory is measured for the first time; at the end it may be at most 5 MB larger than the
median of the measurements in the first third, the number of open files and of threads the same.
Prints a line a minute; a growth, a file that stays open or any exception gives status 1. Linux;
runs the densecore that is installed.
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
from statistics import median
from typing import Any

import numpy as np

import densecore as dc
from densecore import layers

ALLOWED_MB = 5.0


def resident() -> float:
    """Megabytes of memory that the process has now, without what malloc keeps for later.

    What it keeps depends on the last networks' sizes: it made the measurement change by 10 MB.
    """
    gc.collect()
    with contextlib.suppress(AttributeError):  # of glibc
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


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
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    rng = np.random.default_rng(args.seed)
    start, seconds = time.monotonic(), 60 * args.minutes
    found: list[tuple[float, float]] = []
    begun: tuple[int, int] | None = None
    runs, said = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        while (now := time.monotonic() - start) < seconds:
            once(rng, Path(folder))
            runs += 1
            if now < seconds / 10:
                continue
            if begun is None:
                dc.set_num_threads(3)
                begun = open_files(), threading.active_count()
            found.append((now, resident()))
            if now - said > 60:
                said = now
                print(f"{now / 60:5.1f} min  {runs} models  {found[-1][1]:.1f} MB", flush=True)
    first = median(mb for at, mb in found if at < seconds / 3)
    last = median(mb for _, mb in found[-10:])
    wrong = []
    if last > first + ALLOWED_MB:
        wrong.append(f"memory grew from {first:.1f} to {last:.1f} MB")
    if (open_files(), threading.active_count()) != begun:
        wrong.append(f"open files and threads: {open_files(), threading.active_count()}, {begun}")
    print(f"{runs} models, {first:.1f} -> {last:.1f} MB, {native_threads()} threads")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
