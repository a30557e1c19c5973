"""Rows in files: the same batches for any number of ranks, in bounded memory."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.data import Shards
from densecore.distributed import Threads, run_threads


def table(rows: int = 2500) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 5)).astype("float32")
    return x, (x[:, 0] * x[:, 1] > 0).astype("int64"), random.uniform(0.5, 2, rows)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    x, y, weight = table()
    for number, (begin, end) in enumerate([(0, 1000), (1000, 1001), (1001, 2500)]):
        columns = {f"f{i}": x[begin:end, i] for i in range(5)}
        columns |= {"y": y[begin:end], "w": weight[begin:end]}
        pyarrow.parquet.write_table(
            pyarrow.table(columns), tmp_path / f"{number}.parquet", row_group_size=170
        )
    return tmp_path


def arrays(folder: Path) -> None:
    x, y, _ = table()
    for number, (begin, end) in enumerate([(0, 900), (900, 2500)]):
        np.save(folder / f"x{number}.npy", x[begin:end])
        np.save(folder / f"y{number}.npy", y[begin:end])


def model(**how: Any) -> dc.Sequential:
    layers = [dc.Input(5), dc.Dense(16, "relu"), dc.layers.Dropout(0.1), dc.Dense(2, "softmax")]
    made = dc.Sequential(layers, seed=1)
    made.compile("adam", "sparse_categorical_crossentropy", **how)
    return made


def trained(shards: Shards, comm: Any = None, **how: Any) -> tuple[bytes, Any]:
    made = model(metrics=["accuracy"])
    how = {"batch_size": 64, "epochs": 2, "verbose": 0, **how}
    history = made.fit(shards, comm=comm, **how)
    return made.parameters.tobytes(), history.history


@pytest.mark.parametrize("how", [{}, {"shuffle": False}, {"class_weight": {0: 1.0, 1: 3.0}}])
@pytest.mark.slow
def test_the_bits_are_the_same_for_any_number_of_ranks(parquet: Path, how: Any) -> None:
    shards = Shards(parquet / "*.parquet", "y", columns=[f"f{i}" for i in range(5)], window=20_000)
    alone = trained(shards, **how)
    for ranks in (1, 2, 4, 8):
        for found in run_threads(ranks, lambda comm: trained(shards, comm, **how), 30):
            assert found == alone


def test_what_a_model_learns_from_files(parquet: Path) -> None:
    x, y, _ = table()
    shards = Shards(parquet, "y", columns=[f"f{i}" for i in range(5)])
    assert len(shards) == 2500
    made = model(metrics=["accuracy"])
    made.fit(shards, batch_size=64, epochs=20, verbose=0, validation_data=(x[:100], y[:100]))
    assert made.evaluate(x, y, return_dict=True)["accuracy"] > 0.9
    whole = made.evaluate(shards)
    np.testing.assert_allclose(whole, made.evaluate(x, y), rtol=1e-5)
    assert made.predict(shards).shape == (2500, 2)


def test_every_row_comes_once_in_an_epoch(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3000.0).reshape(-1, 1))
    np.save(tmp_path / "y.npy", np.arange(3000.0))
    for window in (100, 5000, 1 << 27):
        shards = Shards(tmp_path / "x.npy", tmp_path / "y.npy", window=window)
        seen = {}
        for epoch in (0, 1, 0):
            rows = read(shards, epoch)
            assert sorted(rows) == list(range(3000))
            assert rows != sorted(rows)
            assert seen.setdefault(epoch, rows) == rows
        assert seen[0] != seen[1]


def read(shards: Shards, epoch: int) -> list[int]:
    from concurrent.futures import ThreadPoolExecutor

    rows: list[int] = []
    with ThreadPoolExecutor(1) as thread:
        for lane in shards.lanes_of(epoch, 7, True, np.float64):
            lane.begin(thread)
            for piece in lane.take(lane.rows):
                np.testing.assert_array_equal(piece.x[:, 0], piece.y)
                rows += [int(value) for value in piece.y]
    return rows


def test_memory_maps_and_weights(tmp_path: Path, parquet: Path) -> None:
    arrays(tmp_path)
    shards = Shards(tmp_path / "x*.npy", target=tmp_path / "y*.npy", window=20_000)
    assert shards.features == 5
    assert trained(shards) == run_threads(2, lambda comm: trained(shards, comm), 30)[1]
    weighted = Shards(parquet, "y", weight="w", window=20_000)
    assert weighted.names == [f"f{i}" for i in range(5)]
    losses = dc.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")

    def fit(comm: Any) -> bytes:
        made = model()
        made.compile("adam", losses)
        made.fit(weighted, batch_size=300, epochs=2, verbose=0, comm=comm)
        return made.parameters.tobytes()

    assert {fit(None)} == set(run_threads(4, fit, 30))


def two_inputs() -> dc.Model:
    numbers, code = dc.Input(2, name="numbers"), dc.Input(1, name="code")
    table = dc.layers.Flatten()(dc.layers.Embedding(4, 3)(code))
    joined = dc.layers.concatenate([numbers, table])
    made = dc.Model([numbers, code], dc.Dense(1)(dc.Dense(8, "tanh")(joined)), seed=0)
    made.compile("adam", "mse")
    return made


def test_columns_of_several_inputs(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    rng = np.random.default_rng(0)
    columns = {
        "a": rng.normal(size=400),
        "code": rng.integers(0, 4, 400),
        "b": rng.normal(size=400),
    }
    columns["y"] = columns["a"] * (columns["code"] == 2)
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=90)
    shards = Shards(path, "y", columns={"code": "code", "numbers": ["a", "b"]}, window=4000)

    def fit(comm: Any) -> bytes:
        made = two_inputs()
        made.fit(shards, batch_size=50, epochs=2, verbose=0, comm=comm)
        return made.parameters.tobytes()

    assert set(run_threads(4, fit, 30)) == {fit(None)}
    made = two_inputs()
    made.fit(shards, batch_size=400, epochs=1, shuffle=False, verbose=0)
    other = two_inputs()
    x = {"numbers": np.stack([columns["a"], columns["b"]], 1), "code": columns["code"][:, None]}
    other.fit(x, columns["y"], batch_size=400, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_allclose(made.parameters, other.parameters, atol=1e-6)
    np.testing.assert_allclose(made.evaluate(shards, verbose=0),
                               other.evaluate(x, columns["y"], verbose=0), rtol=1e-4)  # fmt: skip
    for wrong, message in (({}, "empty dictionary"), ({"a": []}, "columns of a: found none"),
                           ({"a": ["z"]}, "unknown column 'z'")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            Shards(path, "y", columns=wrong)
    with pytest.raises(ValueError, match="found no 'numbers' in a dictionary"):
        two_inputs().fit(Shards(path, "y", columns={"code": "code"}), verbose=0)


def test_zarr(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    x, y, _ = table()
    zarr.save_array(str(tmp_path / "x.zarr"), x)
    zarr.save_array(str(tmp_path / "y.zarr"), y)
    np.save(tmp_path / "x0.npy", x)
    np.save(tmp_path / "y0.npy", y)
    found = trained(Shards(tmp_path / "x.zarr", tmp_path / "y.zarr"))
    assert found == trained(Shards(tmp_path / "x0.npy", tmp_path / "y0.npy"))


def test_bad_files(parquet: Path, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    with pytest.raises(FileNotFoundError, match="found no file"):
        Shards(tmp_path / "none*.parquet", "y")
    with pytest.raises(ValueError, match="unknown column 'z'; known: f0"):
        Shards(parquet, "z")
    with pytest.raises(TypeError, match="wanted a path"):
        Shards(3, "y")
    with pytest.raises(ValueError, match="wanted a power of two"):
        Shards(parquet, "y", lanes=3)
    text = tmp_path / "text" / "t.parquet"
    text.parent.mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"a": ["x"], "y": [1.0]}), text)
    with pytest.raises(ValueError, match=r"column 'a' of type string, wanted numbers"):
        Shards(text, "y")
    with pytest.raises(ValueError, match="found no column 'f0'"):
        Shards([parquet / "0.parquet", text], "y")
    shards = Shards(parquet, "y", columns=["f0"])
    with pytest.raises(ValueError, match="x: found shape"):
        model().fit(shards)
    with pytest.raises(ValueError, match="y: wanted None"):
        model().fit(shards, [1])


def test_ranks_with_other_files(parquet: Path) -> None:
    names = [f"f{i}" for i in range(5)]

    def fit(comm: Threads) -> str:
        files = [parquet / "0.parquet", parquet / "2.parquet"][: 1 if comm.rank == 2 else 2]
        with pytest.raises(ValueError, match="rank 2: rows: found 1000") as raised:
            model().fit(Shards(files, "y", columns=names), comm=comm)
        return str(raised.value)

    assert len(set(run_threads(3, fit, 30))) == 1


def test_a_file_that_breaks_while_it_is_read(parquet: Path) -> None:
    names = [f"f{i}" for i in range(5)]

    class Broken(Shards):
        def lanes_of(self, *given: Any) -> Any:
            lanes = super().lanes_of(*given)
            for lane in lanes[-2:]:
                lane._reader = self
                lane._chunks = [0]
            return lanes

        def read(self, chunk: int) -> Any:
            raise OSError("the disk is gone")

    def fit(comm: Threads) -> str:
        kind = Broken if comm.rank == 1 else Shards
        made = model()
        with pytest.raises(OSError, match="rank 1: the disk is gone"):
            made.fit(kind(parquet, "y", columns=names), comm=comm, batch_size=100)
        return made.parameters.tobytes().hex()

    assert len(set(run_threads(2, fit, 30))) == 1


MEASURED = """
import resource, sys
import numpy as np
import densecore as dc
shards = dc.data.Shards(sys.argv[1], target="y", window=1 << 24)
model = dc.Sequential([dc.Input(shards.features), dc.Dense(8, "relu"), dc.Dense(1)], seed=0)
model.compile("adam", "mse")
first = next(iter(shards))
model.train_on_batch(np.zeros((8, shards.features), "float32"), np.zeros((8, 1), "float32"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model.fit(shards, batch_size=4096, verbose=0)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.measures
@pytest.mark.slow
def test_memory_is_bounded_by_the_windows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    rows = 800_000  # 80 MB of columns, in row groups of 40
    random = np.random.default_rng(0)
    columns = {f"f{i}": random.normal(size=rows).astype("float32") for i in range(24)}
    columns["y"] = random.normal(size=rows).astype("float32")
    pyarrow.parquet.write_table(
        pyarrow.table(columns), tmp_path / "t.parquet", row_group_size=400_000
    )
    package = str(Path(dc.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "t.parquet")], capture_output=True,
        text=True, timeout=120, env={"PYTHONPATH": package}, check=True,
    )  # fmt: skip
    assert float(done.stdout) < 60
