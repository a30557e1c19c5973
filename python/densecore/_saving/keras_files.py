"""Keras's files, read without Keras: the configuration and the arrays, nothing is executed.

``.keras`` (Keras 3) is a ZIP archive of ``config.json`` and ``model.weights.h5``; ``.weights.h5``
is the latter alone; ``.h5`` and ``.hdf5`` (Keras 2, and 3 on demand) hold both, in attributes and
groups.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.files import StrPath

# A configuration of a thousand layers has a megabyte; a damaged archive may claim anything.
_LARGEST_CONFIG = 64 * 2**20


class KerasFile(NamedTuple):
    """What a file says.

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

    def _read(self, found: Any, shape: tuple[int, ...] | None) -> Array:
        if found.dtype.kind not in "fiu" or (shape is not None and found.shape != shape):
            raise ValueError(
                f"{self._path}: {found.name}: found {found.dtype} of shape {found.shape}, wanted "
                f"numbers of shape {shape}"
            )
        return np.asarray(found[()])

    def of_layers(self, layers: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Datasets of each layer by the layer's name, in Keras's order of its weights.

        Parameters
        ----------
        layers : sequence of mapping
            ``class_name`` and ``config`` of every layer of the model, in order.
        """
        found: dict[str, list[Any]] = {}
        counts: dict[str, int] = {}
        whole = self._file if "layer_names" in self._file.attrs else None
        old = self._file.get("model_weights", whole)
        for layer in layers:
            name = str(layer["config"].get("name"))
            if old is not None:
                group = old.get(name)
                names = [] if group is None else group.attrs.get("weight_names", [])
                texts = [each.decode() if isinstance(each, bytes) else str(each) for each in names]
                if group is not None and texts and all(text in group for text in texts):
                    found[name] = [group[text] for text in texts]
                    continue
            else:
                file_name = _snake_case(layer["class_name"])
                count = counts.get(file_name, 0)
                counts[file_name] = count + 1
                group = self._file.get(f"layers/{file_name}" + (f"_{count}" if count else ""))
                group = None if group is None else group.get("vars")
            found[name] = [] if group is None else list(self._datasets(group))
        return found

    def read(self, found: Any, shape: tuple[int, ...]) -> Array:
        """One array, of the shape that is wanted.

        Raises
        ------
        ValueError
            It has another shape, or is not made of numbers; nothing has been read then.
        """
        return self._read(found, shape)

    def optimizer(self) -> list[Any]:
        """Datasets of the optimizer in Keras 3's order: iteration, learning rate, states."""
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


def is_keras_file(path: StrPath) -> bool:
    """Whether a file's name ends as those of Keras's models do."""
    return checks.path("path", path).lower().endswith((".keras", ".h5", ".hdf5"))


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
    h5py, shown = _import_h5py(), checks.path("path", path)
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
        except (zipfile.BadZipFile, KeyError) as error:
            raise ValueError(f"{shown}: found no archive of Keras's ({error})") from None
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
    try:
        return h5py.File(source, "r")
    except OSError as error:
        raise ValueError(f"{shown}: found no HDF5 file ({error})") from None


def read_weights(path: StrPath) -> Weights:
    """Open a weights file of Keras; the caller closes it.

    Raises
    ------
    ImportError, FileNotFoundError, ValueError
        As `read`.
    """
    h5py, shown = _import_h5py(), checks.path("path", path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{shown}: there is no such file")
    return Weights(_open(h5py, path, shown), shown)
