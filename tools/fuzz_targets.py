"""The kinds of files that `fuzz_files.py` damages: how each is read, and files to begin with."""

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import densecore as dc
from densecore import layers

Read = Callable[[Path], None]


class Target(NamedTuple):
    """A kind of file: how it is read and used, and files to begin with."""

    read: Read
    seeds: Callable[[Path], list[bytes]]
    binary: bool  # a safetensors file
    ending: str = ""  # of the file's name


# What is read ------------------------------------------------------------------------------------


def model(dtype: str = "float32") -> dc.Sequential:
    made = dc.Sequential(
        [
            dc.Input(3),
            layers.Normalization(mean=[0.5, 1, 2], variance=[1, 2, 3]),
            dc.Dense(4, "relu", kernel_regularizer="l2"),
            layers.Residual([layers.BatchNormalization(), dc.Dense(4, "gelu")]),
            layers.Dropout(0.5),
            dc.Dense(2, "softmax"),
        ],
        dtype=dtype,
        seed=0,
    )
    made.compile(dc.optimizers.Adam(0.01, clipnorm=1.0), "categorical_crossentropy", ["accuracy"])
    return made


@dc.saving.register_keras_serializable("fuzz")
class Gate(layers.Layer):
    """A custom layer."""

    def __init__(self, units: int, **general: Any) -> None:
        super().__init__(**general)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")

    def call(self, x: Any) -> Any:
        return dc.ops.sigmoid(dc.ops.matmul(x, self.kernel))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def graph() -> dc.Model:
    """Two inputs, a custom layer that is called twice, an embedding, two outputs."""
    numbers, codes = dc.Input(3, name="numbers"), dc.Input(2, name="codes")
    gate = Gate(3, name="gate")
    h = layers.add([gate(numbers), numbers, gate(numbers * 2 + 1)])
    h = layers.concatenate([h, layers.Flatten()(layers.Embedding(4, 2)(codes))])
    made = dc.Model([numbers, codes], {"a": dc.Dense(2, "softmax")(h), "b": dc.Dense(1)(h)}, seed=0)
    made.compile("adam", {"a": "categorical_crossentropy", "b": "mse"})
    return made


def prepared() -> dc.Model:
    """Text and integers as they are."""
    town, code = dc.Input(1, dtype="string", name="town"), dc.Input(1, name="code")
    one = layers.StringLookup(vocabulary=["Rome", "Oslo"], output_mode="one_hot")(town)
    other = layers.IntegerLookup(vocabulary=[7, 8], output_mode="one_hot")(code)
    made = dc.Model([town, code], dc.Dense(1)(layers.concatenate([one, other])), seed=0)
    made.compile("sgd", "mse")
    return made


def outputs_for_zeros(model: Any) -> list[Any]:
    """Of two rows."""
    shapes = model.input_shape if isinstance(model.input_shape, list) else [model.input_shape]
    given = [np.zeros((2, *shape[1:])) for shape in shapes]
    found = model.predict(given if len(given) > 1 else given[0], verbose=0)
    if isinstance(found, dict):
        found = list(found.values())
    return list(found) if isinstance(found, list) else [found]


def saved(path: Path, save: Callable[[Path], object]) -> bytes:
    save(path)
    return path.read_bytes()


def read_model(path: Path) -> None:
    loaded = dc.load_model(path)
    with np.errstate(all="ignore"):
        first = outputs_for_zeros(loaded)
        again = path.with_suffix(".again")
        loaded.save(again, overwrite=True)
        second = outputs_for_zeros(dc.load_model(again))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def model_files(folder: Path) -> list[bytes]:
    plain = dc.Sequential([dc.Input(2), dc.Dense(3, "tanh"), dc.Dense(1)], seed=0)
    made = (model(), model("float64"), plain, graph(), prepared())
    return [saved(folder / "seed", each.save) for each in made]


@cache
def model_and_parameters() -> tuple[dc.Sequential, Any]:
    made = model()
    return made, made.parameters.copy()


def read_weights(path: Path) -> None:
    made, before = model_and_parameters()
    made.parameters = before
    try:
        made.load_weights(path)
    except (ValueError, OSError):
        np.testing.assert_array_equal(made.parameters, before)  # refused files change nothing
        raise
    with np.errstate(all="ignore"):
        made.predict(np.zeros((2, 3)), verbose=0)


def weights_files(folder: Path) -> list[bytes]:
    return [saved(folder / "seed.safetensors", model().save_weights)]


def read_ensemble(path: Path) -> None:
    loaded = dc.Ensemble.load(path)
    with np.errstate(all="ignore"):
        loaded.predict(np.zeros((2, loaded.member(0).input_shape[1])))


def ensemble_files(folder: Path) -> list[bytes]:
    made = dc.Sequential([dc.Input(2), dc.Dense(3, "tanh"), dc.Dense(1)], seed=0)
    made.compile("adam", "mse")
    return [saved(folder / "seed", dc.Ensemble(made, 3).save)]


def read_table(path: Path) -> None:
    from densecore.tabular.reader import read_table as read

    table = read(path)
    for name in table.names:
        table.column(name)


def table_files(folder: Path) -> list[bytes]:
    return [
        b"a,b,c\n1,2.5,x\n-3,1e3,y\n",
        b'name;"a ""b""";c\r\n"one\ntwo";1,5;\r\n;;\r\n',
        b"\xef\xbb\xbfa\tb\n1\tNA\n2\t\n",
        "größe,ß\n1.000,2\n".encode("latin-1"),
        "a,b\n1,2\n".encode("utf-16"),
    ]


def read_table_model(path: Path) -> None:
    from densecore.tabular.model import load_table_model

    loaded = load_table_model(path)
    again = path.with_suffix(".again")
    loaded.save(again)
    load_table_model(again)


def table_model_files(folder: Path) -> list[bytes]:
    from densecore.tabular import TabularClassifier, TabularRegressor

    rows = [[0.5 * i, i % 3, "abc"[i % 3]] for i in range(40)]
    x = np.array(rows, object)
    classes = TabularClassifier(epochs=1, recipe="quick").fit(x, [i % 2 for i in range(40)])
    numbers = TabularRegressor(epochs=1, recipe="quick").fit(x, np.arange(40.0))
    return [saved(folder / "seed", made.save) for made in (classes, numbers)]


BACKED_UP = np.random.default_rng(0).normal(size=(12, 2)).astype("f4")


def backed_up(folder: Path, epochs: int) -> dc.Sequential:
    made = dc.Sequential([dc.Input(2), dc.Dense(3, "tanh"), dc.Dense(1)], seed=0)
    made.compile(dc.optimizers.Adam(0.01), "mse", ["mae"])
    stopping = dc.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
    backup = dc.callbacks.BackupAndRestore(folder, delete_checkpoint=False)
    callbacks = [stopping, dc.callbacks.ReduceLROnPlateau("loss"), backup]
    made.fit(BACKED_UP, BACKED_UP[:, :1], 4, epochs, verbose=0, callbacks=callbacks)
    return made


def read_backup(path: Path) -> None:
    folder = path.parent / "backup"
    folder.mkdir(exist_ok=True)
    (folder / "training.safetensors").write_bytes(path.read_bytes())
    try:
        backed_up(folder, 3)
    except (ValueError, OSError) as error:
        raise type(error)(f"{error} {path.name}") from None  # it names its own file


def backup_files(folder: Path) -> list[bytes]:
    backed_up(folder / "first", 2)
    return [(folder / "first" / "training.safetensors").read_bytes()]


def read_keras(path: Path) -> None:
    loaded = dc.from_keras(path)
    with np.errstate(all="ignore"):
        loaded.predict(np.zeros((2, *loaded.input_shape[1:])), verbose=0)


def keras_files(folder: Path) -> list[bytes]:
    """As Keras 3 writes them."""
    import h5py

    dense = {"name": "dense", "units": 2, "activation": "tanh", "use_bias": True}
    parts = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 3], "name": "input"}},
        {"class_name": "Dense", "config": dense},
    ]
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": parts}}
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"], group["1"] = np.ones((3, 2), "f4"), np.zeros(2, "f4")
    with zipfile.ZipFile(folder / "seed", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", content.getvalue())
    return [(folder / "seed").read_bytes()]


def old_keras_files(folder: Path) -> list[bytes]:
    """HDF5 as Keras 2 writes a model."""
    import h5py

    dense = {"name": "dense", "units": 2, "activation": "tanh", "use_bias": True}
    parts = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "name": "input"}},
        {"class_name": "Dense", "config": dense},
    ]
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": parts}}
    with h5py.File(folder / "seed.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights/dense")
        group.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        group["dense/kernel:0"], group["dense/bias:0"] = np.ones((3, 2), "f4"), np.zeros(2, "f4")
    return [(folder / "seed.h5").read_bytes()]


def read_onnx(path: Path) -> None:
    loaded = dc.from_onnx(path)
    with np.errstate(all="ignore"):
        outputs_for_zeros(loaded)


def onnx_files(folder: Path) -> list[bytes]:
    a, b = dc.Input(3, name="a"), dc.Input(2, name="b")
    h = layers.concatenate([dc.Dense(3, "gelu")(a), layers.Flatten()(layers.Embedding(4, 2)(b))])
    outputs = [dc.Dense(2, "softmax")(layers.LayerNormalization()(h)), 1 - h * 2]
    made = [model(), model("float64"), dc.Model([a, b], outputs, seed=0)]
    return [saved(folder / "seed.onnx", each.export) for each in made]


def frame() -> Any:
    import pandas as pd

    names = {"a": [1.5, None, 3.0], "b": ["x", "y", "x"], "c": [1, 2, 3], "d": [True, False, True]}
    return pd.DataFrame(names)


def parquet_files(folder: Path) -> list[bytes]:
    return [saved(folder / "seed.parquet", lambda path: frame().to_parquet(path))]


def excel_files(folder: Path) -> list[bytes]:
    return [saved(folder / "seed.xlsx", lambda path: frame().to_excel(path, index=False))]


def json_files(folder: Path) -> list[bytes]:
    return [text.encode() for text in (
        frame().to_json(orient="records"), frame().to_json(orient="split"),
        '[{"a": {"b": 1, "c": [1, 2]}, "d": "x"}, {"a": {"b": 2}}]',
    )]  # fmt: skip


def read_shards(path: Path) -> None:
    shards = dc.data.Shards(path, "c" if path.suffix == ".parquet" else path)
    for x, y in shards:
        assert len(x) == len(y)


def parquet_shards(folder: Path) -> list[bytes]:
    numbers = frame()[["a", "c", "d"]]
    return [saved(folder / "seed.parquet", lambda path: numbers.to_parquet(path))]


def array_files(folder: Path) -> list[bytes]:
    arrays = [np.ones((5, 3), "f4"), np.arange(6).reshape(3, 2)]
    return [saved(folder / "seed.npy", lambda path, one=one: np.save(path, one)) for one in arrays]  # type: ignore[misc]


def read_dataset(path: Path) -> None:
    dc.datasets.mnist.load_data(str(path))


def dataset_files(folder: Path) -> list[bytes]:
    images, labels = np.zeros((2, 28, 28), "u1"), np.zeros(2, "u1")
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(folder / "seed.npz", **arrays)
    np.savez_compressed(folder / "small.npz", **arrays)
    return [(folder / name).read_bytes() for name in ("seed.npz", "small.npz")]


TARGETS = {
    "model": Target(read_model, model_files, True),
    "weights": Target(read_weights, weights_files, True),
    "ensemble": Target(read_ensemble, ensemble_files, True),
    "backup": Target(read_backup, backup_files, True),
    "table": Target(read_table, table_files, False, ".csv"),
    "table_model": Target(read_table_model, table_model_files, True),
    "keras": Target(read_keras, keras_files, False, ".keras"),
    "old_keras": Target(read_keras, old_keras_files, False, ".h5"),
    "onnx": Target(read_onnx, onnx_files, False, ".onnx"),
    "parquet": Target(read_table, parquet_files, False, ".parquet"),
    "excel": Target(read_table, excel_files, False, ".xlsx"),
    "json": Target(read_table, json_files, False, ".json"),
    "parquet_shards": Target(read_shards, parquet_shards, False, ".parquet"),
    "array_shards": Target(read_shards, array_files, False, ".npy"),
    "dataset": Target(read_dataset, dataset_files, False, ".npz"),
}
