"""Random networks and tables in other programs: their predictions are compared with ours.

    python tools/fuzz_exports.py [--networks N] [--tables N] [--first SEED]

Networks (tests/random_models.py: graphs of every kind of layer, with several inputs and outputs) go
to ONNX, C, PyTorch, JAX and Keras, and back from ONNX, PyTorch, Keras and Keras's files; tables of
random columns to ONNX and C, with weights of 8 bits, too. C is compiled by gcc and clang with
``-std=c99 -Wall -Wextra -Werror -pedantic``. What is not installed is left out, and said. A case is
its seed: what fails is printed with it, gives status 1, and ``--first`` starts with that one.
"""

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import test_export_graphs as graphs
import test_export_tables as tables
from densecore.export import program_of
from densecore.tabular import TabularClassifier, TabularRegressor
from random_models import assert_near, random_graph_model, tolerances

COMPILERS = [cc for cc in ("gcc", "clang") if shutil.which(cc)]
#: Networks in one C program.
TOGETHER = 6


def installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


# Networks -----------------------------------------------------------------------------------------


def ways() -> dict[str, Callable[[int, str, Path], None]]:
    """What is tried with each network, where its packages are there."""
    found: dict[str, Callable[[int, str, Path], None]] = {}
    if installed("onnx", "onnxruntime"):
        import test_from_onnx_graphs as from_onnx

        found["ONNX"] = graphs.test_onnx_runtime_predicts_the_same
        found["back from ONNX"] = lambda seed, _, d: from_onnx.test_our_graphs_come_back(seed, d)
    if installed("torch"):
        import test_from_torch_graphs as from_torch

        back = from_torch.test_what_to_torch_makes_of_a_graph_comes_back
        found["PyTorch"] = lambda seed, dtype, _: graphs.test_torch_predicts_the_same(seed, dtype)
        found["back from PyTorch"] = lambda seed, _, __: back(seed)
    if installed("jax"):
        found["JAX"] = lambda seed, _, __: graphs.test_jax_predicts_the_same(seed)
    if installed("keras", "h5py", "jax"):
        import test_from_keras_graphs as from_keras

        both = from_keras.test_a_graph_comes_back_from_keras_and_from_its_files
        found["Keras"] = lambda seed, dtype, _: graphs.test_keras_predicts_the_same(seed, dtype)
        found["back from Keras and its files"] = lambda seed, _, d: both(seed, d)
    return found


def in_c(seeds: list[int], dtype: str, cc: str, folder: Path) -> list[str]:
    """What is wrong with C headers of some networks."""
    made = [random_graph_model(seed, dtype) for seed in seeds]
    found_all = graphs.in_c([model for model, _ in made], [x for _, x in made], folder, cc)
    wrong = []
    for seed, (model, x), found in zip(seeds, made, found_all, strict=True):
        shapes = [port.row for port in program_of(model).gives]
        shaped = [each.reshape(-1, *row) for each, row in zip(found, shapes, strict=True)]
        try:
            assert_near(shaped, model, x, tolerances(seed, model, x), "C")
        except AssertionError as error:
            wrong.append(f"network {seed} in C by {cc}: {error}"[:500])
    return wrong


def networks(first: int, count: int, done: Counter[str]) -> list[str]:
    wrong = []
    tried = ways()
    for number in range(first, first + count):
        dtype = ("float32", "float64")[number % 2]
        for name, check in tried.items():
            with tempfile.TemporaryDirectory() as folder:
                try:
                    check(number, dtype, Path(folder))
                except Exception:
                    wrong.append(f"network {number}, {name}: {traceback.format_exc()[-600:]}")
            done[name] += 1
    for cc in COMPILERS:
        for place in range(first, first + count, 2 * TOGETHER):
            for odd in (0, 1):
                seeds = list(range(place + odd, min(place + 2 * TOGETHER, first + count), 2))
                dtype = ("float32", "float64")[(place + odd) % 2]
                with tempfile.TemporaryDirectory() as folder:
                    wrong += in_c(seeds, dtype, cc, Path(folder)) if seeds else []
                done[f"C by {cc}"] += len(seeds)
    return wrong


# Tables -------------------------------------------------------------------------------------------


def random_table(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Columns as tables have them, in any number and order."""
    words = ["red", "Blue", "GREEN", "Öl", "a b", 'a "quote"', "x\\y", "1a", "?"]
    start = pd.Timestamp("2019-12-30")

    def moments() -> Any:
        return start + pd.to_timedelta(rng.integers(0, 50_000_000, rows), unit="s")

    kinds: dict[str, Callable[[], Any]] = {
        "number": lambda: rng.normal(5, 3, rows).astype(np.float32),
        "large": lambda: rng.lognormal(10, 2, rows).astype(np.float32),
        "count": lambda: rng.integers(0, 40, rows),
        "few": lambda: rng.integers(0, 3, rows),
        "flag": lambda: rng.random(rows) < 0.5,
        "words": lambda: rng.choice(words, rows),
        "two": lambda: rng.choice(["m", "f"], rows),
        "codes": lambda: rng.choice(["1", "2", "10", "007"], rows),
        "category": lambda: pd.Categorical(rng.choice(words[:4], rows)),
        "moment": moments,
        "constant": lambda: np.full(rows, 3.0),
    }
    names = rng.choice(list(kinds), int(rng.integers(2, 9)))
    frame = pd.DataFrame({f"{name} {place}": kinds[name]() for place, name in enumerate(names)})
    for name in frame.columns:
        if rng.random() < 0.4 and not name.startswith(("flag", "few", "count")):
            frame.loc[rng.random(rows) < 0.1, name] = None
    return frame


def table(seed: int, folder: Path, done: Counter[str]) -> list[str]:
    rng = np.random.default_rng([seed, 18])
    frame = random_table(rng, 160)
    frame.insert(0, "size", rng.normal(size=160).astype(np.float32))
    target = str(rng.choice(["texts", "numbers", "booleans", "values"]))
    size = frame["size"].to_numpy()
    y = {"texts": np.where(size > 0, "old", "young"), "numbers": np.digitize(size, [-0.5, 0.5]) * 5,
         "booleans": size > 0, "values": np.exp(size)}[target]  # fmt: skip
    kind: Any = TabularRegressor if target == "values" else TabularClassifier
    model = tables.trained(kind, frame, y)
    other = frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)
    for name in other.columns:
        if name.startswith(("words", "codes", "two")):
            other.loc[0, name] = "never seen"
    wanted = model.predict(other) if target == "values" else model.predict_proba(other)
    wanted = np.asarray(wanted).reshape(len(other), -1)
    limit, wrong = 1e-6 * max(1.0, float(np.abs(wanted).max())), []
    names = [feature.name for feature in model.model_.preparation.features]
    if installed("onnx", "onnxruntime"):
        model.export(folder / "m.onnx")
        found, _ = tables.in_onnxruntime(folder / "m.onnx", other)
        values = found["prediction" if target == "values" else "probabilities"]
        if not np.abs(values - wanted).max() <= limit:
            wrong.append(f"table {seed} in ONNX: {np.abs(values - wanted).max()}")
        done["tables in ONNX"] += 1
    model.export(folder / "net.h")
    model.export(folder / "small.h", int8=True)
    for cc in COMPILERS:
        _, values = tables.in_c(folder / "net.h", other, names, cc)
        if not np.abs(values - wanted).max() <= limit:
            wrong.append(f"table {seed} in C by {cc}: {np.abs(values - wanted).max()}")
        _, values = tables.in_c(folder / "small.h", other, names, cc)
        if not np.abs(values - wanted).max() <= 0.1 * max(1.0, float(np.ptp(wanted))):
            wrong.append(f"table {seed} in C by {cc}, 8 bits: {np.abs(values - wanted).max()}")
        done[f"tables in C by {cc}"] += 1
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", type=int, default=30, metavar="N")
    parser.add_argument("--tables", type=int, default=6, metavar="N")
    parser.add_argument("--first", type=int, default=1000, metavar="SEED")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # other packages warn of each other's
    done: Counter[str] = Counter()
    wrong = networks(options.first, options.networks, done)
    for seed in range(options.first, options.first + options.tables):
        with tempfile.TemporaryDirectory() as folder:
            try:
                wrong += table(seed, Path(folder), done)
            except Exception:
                wrong.append(f"table {seed}: {traceback.format_exc()[-600:]}")
    for text in wrong:
        print(text)
    print(f"{dict(done)}, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
