"""Keras's files, read without Keras: the configuration and the arrays, nothing is executed.

``.keras`` (Keras 3) is a ZIP archive of ``config.json`` and ``model.weights.h5``; ``.weights.h5``
is the latter alone; ``.h5`` and ``.hdf5`` (Keras 2, and 3 on demand) hold both, in attributes and
groups.
"""

import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.files import StrPath, check_readable
from .._base.lazy import imports

# What zipfile raises for archives that are damaged, encrypted or compressed by another method.
DAMAGED = (
    zipfile.BadZipFile, KeyError, EOFError, zlib.error, OSError, RuntimeError, NotImplementedError,
    struct.error,
)  # fmt: skip
# A configuration of a thousand layers has a megabyte; a damaged archive may claim anything.
_LARGEST_CONFIG = 64 * 2**20


class KerasFile(NamedTuple):
    """The contents of a file.

    Attributes
    ----------
    config : dict
        Keras's: ``class_name``, ``config``, ``compile_config``.
    weights : Weights
        The arrays of the layers, not read yet.
    """

    config: dict[str, Any]
    weights: "Weights"


def _import_h5py() -> Any:
    try:
        with imports:
            import h5py
    except ImportError:
        raise ImportError(
            "Keras's files need h5py: pip install 'densecore[keras]', or pip install h5py"
        ) from None
    return h5py


def _snake_case(name: str) -> str:
    """Keras's file name of a class: ``BatchNormalization`` is ``batch_normalization``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def is_model(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a configuration is a model of layers."""
    return entry.get("class_name") in ("Sequential", "Functional", "Model")


def entries_of(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The layers of a model's configuration."""
    inner = config.get("config")
    entries = inner if isinstance(inner, list) else (inner or {}).get("layers", [])
    return [each for each in entries if isinstance(each, Mapping)]


def _leaves(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for inner in entries_of(entry):
        if is_model(inner):
            yield from _leaves(inner)
        else:
            yield inner


def _texts(names: Any) -> list[str]:
    return [each.decode() if isinstance(each, bytes) else str(each) for each in names]


class Weights:
    """The arrays of an HDF5 file by layer; sizes are looked at before anything is read.

    Parameters
    ----------
    file : h5py.File
    path : str
        For messages.
    """

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path = file, path

    def _datasets(self, group: Any) -> Iterator[Any]:
        """Every dataset below a group; names in their order, numbers by value."""
        names = sorted(group, key=lambda name: (int(name) if name.isdigit() else -1, name))
        for name in names:
            found = group[name]
            if hasattr(found, "shape"):
                yield found
            else:
                yield from self._datasets(found)

    def of_layers(self, config: Mapping[str, Any]) -> dict[int, list[Any]]:
        """Datasets of each layer, in Keras's order of its weights, by the `id` of its entry.

        Parameters
        ----------
        config : mapping
            Of a model; nested models are looked into.
        """
        found: dict[int, list[Any]] = {}
        whole = self._file if "layer_names" in self._file.attrs else None
        old = self._file.get("model_weights", whole)
        if old is None:
            self._of_group(self._file, config, found)
            return found
        for entry in entries_of(config):
            name = str(entry["config"].get("name"))
            group = old.get(name)
            names = [] if group is None else _texts(group.attrs.get("weight_names", []))
            if is_model(entry):  # its own weights, and those of the models in it, by their paths
                by_layer: dict[str, list[Any]] = {}
                for text in names:
                    if text in group:
                        by_layer.setdefault(text.split("/")[-2], []).append(group[text])
                for inner in _leaves(entry):
                    found[id(inner)] = by_layer.get(str(inner["config"].get("name")), [])
            else:
                found[id(entry)] = [group[text] for text in names if text in group]
        return found

    def _of_group(self, group: Any, config: Mapping[str, Any], found: dict[int, list[Any]]) -> None:
        """Keras 3: ``layers/dense_1/vars`` is the second dense layer of a model."""
        counts: dict[str, int] = {}
        for entry in entries_of(config):
            file_name = _snake_case(str(entry["class_name"]))
            count = counts.get(file_name, 0)
            counts[file_name] = count + 1
            inner = group.get(f"layers/{file_name}" + (f"_{count}" if count else ""))
            if is_model(entry):
                self._of_group({} if inner is None else inner, entry, found)
            else:
                place = "layer/vars" if entry["class_name"] == "TimeDistributed" else "vars"
                variables = None if inner is None else inner.get(place)
                found[id(entry)] = [] if variables is None else list(self._datasets(variables))

    def read(self, found: Any, shape: tuple[int, ...]) -> Array:
        """One array, of the shape that is wanted.

        Raises
        ------
        ValueError
            It has another shape, is not made of numbers, or lies in another file; nothing has been
            read then.
        """
        if found.external or found.is_virtual:
            raise ValueError(
                f"{self._path}: {found.name}: found an array in another file, wanted it in this one"
            )
        if found.dtype.kind not in "fiu" or found.shape != shape:
            raise ValueError(
                f"{self._path}: {found.name}: found {found.dtype} of shape {found.shape}, wanted "
                f"numbers of shape {shape}"
            )
        return np.asarray(found[()])

    def fitting(self, found: Any, shape: tuple[int, ...]) -> Array:
        """One array, of the shape that is wanted, or a normalisation's one number, or those of
        the features of rows that have several dimensions.

        Raises
        ------
        ValueError
            As of `read`.
        """
        fewer = len(shape) == 1 and found.ndim <= 1 and 0 < (found.size or 0) < shape[0]
        if fewer and shape[0] % found.size == 0 and "normalization" in str(found.name):
            return np.tile(self.read(found, found.shape).ravel(), shape[0] // found.size)
        if len(shape) == 1 and found.ndim > 1 and found.size == shape[0]:
            return self.read(found, found.shape).ravel()  # as of PReLU
        return self.read(found, shape)

    def optimizer(self) -> list[Any]:
        """Datasets of the optimizer in Keras 3's order: iteration, learning rate, states."""
        old = self._file.get("optimizer_weights")
        if old is not None:
            return [old[text] for text in _texts(old.attrs.get("weight_names", [])) if text in old]
        group = self._file.get("optimizer/vars")
        return [] if group is None else list(self._datasets(group))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _json(path: str, text: str | bytes) -> dict[str, Any]:
    if len(text) > _LARGEST_CONFIG:
        raise ValueError(f"{path}: found a configuration of {len(text):,} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: found a configuration that is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: found a configuration that is no dictionary")
    return found


def read(path: StrPath) -> KerasFile:
    """Open a model file of Keras; the caller closes its weights.

    Raises
    ------
    ImportError
        h5py is not installed.
    OSError
        The file cannot be read.
    ValueError
        It is not such a file, or holds weights only.
    """
    h5py, shown = _import_h5py(), check_readable(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{shown}: there is no such file")
    if shown.lower().endswith(".keras"):
        try:
            with zipfile.ZipFile(path) as archive:
                entry = archive.getinfo("config.json")
                if entry.file_size > _LARGEST_CONFIG:
                    raise ValueError(f"{shown}: found a configuration of {entry.file_size:,} bytes")
                config = _json(shown, archive.read(entry))
                inner = archive.getinfo("model.weights.h5")
                # Stored, not compressed: larger than the archive itself it cannot be.
                if inner.file_size > os.path.getsize(path):
                    raise ValueError(f"{shown}: found weights of {inner.file_size:,} bytes")
                content = io.BytesIO(archive.read(inner))
        except DAMAGED as error:
            text = checks.one_line(str(error))
            raise ValueError(f"{shown}: found no archive of Keras's ({text})") from None
        return KerasFile(config, Weights(_open(h5py, content, shown), shown))
    file = _open(h5py, path, shown)
    text = file.attrs.get("model_config")
    if text is None:
        file.close()
        raise ValueError(
            f"{shown}: found weights without a configuration, wanted a whole model; to read them, "
            "build the model and call load_weights"
        )
    config = _json(shown, text)
    training = file.attrs.get("training_config")
    if training is not None:
        old = _json(shown, training)
        optimizer = old.pop("optimizer_config", None)
        config["compile_config"] = {**old, "optimizer": optimizer or old.get("optimizer")}
    return KerasFile(config, Weights(file, shown))


def _open(h5py: Any, source: Any, shown: str) -> Any:
    def is_elsewhere(name: bytes, info: Any) -> bytes | None:
        return name if info.type == h5py.h5l.TYPE_EXTERNAL else None

    try:
        file = h5py.File(source, "r")
        # All links are looked at before one is followed: that would open the other file.
        elsewhere = file.id.links.visit(is_elsewhere, info=True)
    except (*DAMAGED, OverflowError, ValueError) as error:
        text = checks.one_line(str(error))
        raise ValueError(f"{shown}: found no HDF5 file ({text})") from None
    if elsewhere is not None:
        file.close()
        raise ValueError(
            f"{shown}: found {elsewhere.decode(errors='replace')}, a link to another file, wanted "
            "arrays in this one"
        )
    return file


def read_weights(path: StrPath) -> Weights:
    """Open a weights file of Keras; the caller closes it.

    Raises
    ------
    ImportError, FileNotFoundError, ValueError
        As `read`.
    """
    h5py, shown = _import_h5py(), check_readable(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{shown}: there is no such file")
    return Weights(_open(h5py, path, shown), shown)


def _entry(layer: Any, pairs: list[tuple[Any, Mapping[str, Any]]]) -> Mapping[str, Any]:
    """A configuration's entry for a layer, an input or a model. Both are appended to `pairs` if it
    may have arrays of its own."""
    config: dict[str, Any] = {"name": layer.name}
    entry: Mapping[str, Any] = {"class_name": type(layer).__name__, "config": config}
    if hasattr(layer, "load_weights"):  # a model
        config["layers"] = [_entry(part, pairs) for part in layer.layers]
    elif hasattr(layer, "parameter_names"):  # no input
        pairs.append((layer, entry))
    return entry


def load_into(path: StrPath, layers: Sequence[Any]) -> None:
    """Fill the arrays of layers from a weights file of Keras's, all or none.

    Layers of Keras 3's files are found by their classes and order, those of older ones by name;
    models among them are looked into.

    Raises
    ------
    ImportError, FileNotFoundError
        As `read`.
    ValueError
        The file has other layers, or arrays of other shapes; the message names the first.
    """
    weights, shown = read_weights(path), os.fspath(path)
    pairs: list[tuple[Any, Mapping[str, Any]]] = []
    entries = [_entry(layer, pairs) for layer in layers]
    try:
        found = weights.of_layers({"config": {"layers": entries}})
        made = []
        for layer, entry in pairs:
            views = layer.weights
            datasets = found.get(id(entry)) or []
            if not datasets and not layer.parameter_names:
                continue  # numbers of the configuration, as of Rescaling
            if len(datasets) < len(views):
                raise ValueError(
                    f"{shown}: layer {layer.name}: found {len(datasets)} arrays, wanted "
                    f"{len(views)}: the file is of other layers (from_keras reads whole models)"
                )
            for view, dataset in zip(views, datasets, strict=False):
                made.append((view, weights.fitting(dataset, view.shape)))
    finally:
        weights.close()
    for view, array in made:
        view[...] = array
