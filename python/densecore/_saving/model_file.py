"""Model files: one safetensors file with the configuration as JSON in its metadata.

Tensors: ``layers.<i>.kernel`` (in, out), ``layers.<i>.bias`` (out,), and, of a compiled model,
``optimizer.<state>`` (parameters,) flat. A file is untrusted input: its configuration is checked
first, and then every tensor's name, dtype and shape against what the configuration implies, before
anything is allocated.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._base import checks, core
from .._base.dtypes import Array
from . import safetensors

FORMAT = "densecore"
FORMAT_VERSION = 1


def write(
    path: str | os.PathLike[str],
    config: Mapping[str, Any],
    progress: Mapping[str, int],
    user: Mapping[str, Any],
    tensors: Mapping[str, Array],
) -> None:
    """Write a model in one step; an existing file is replaced or left as it was."""
    if not isinstance(user, Mapping):
        raise TypeError(f"metadata: found {type(user).__name__}, wanted a dictionary")
    try:
        user_text = json.dumps(user, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"metadata: found what JSON cannot hold ({error})") from None
    safetensors.write(
        path,
        tensors,
        {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "densecore_version": core.__version__,
            "config": json.dumps(config, allow_nan=False),
            "progress": json.dumps(progress),
            "metadata": user_text,
        },
    )


class ModelFile:
    """An open model file whose metadata has been read and checked.

    Attributes
    ----------
    path : str
    config : dict
        As `Sequential.get_config`; only its types are checked here.
    progress : dict
        ``steps`` and ``epochs`` of a compiled model.
    user : dict
        The user's ``metadata``.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = checks.path("path", path)
        self._file = safetensors.open_file(path)
        try:
            self._check_version()
            self.config = self._json("config")
            self.progress = self._json("progress")
            self.user = self._json("metadata")
            if "compile" in self.config:
                for counter in ("steps", "epochs"):
                    value = self.progress.get(counter)
                    if type(value) is not int or not 0 <= value < 2**62:
                        raise ValueError(
                            f"{self.path}: the model is damaged: {counter} = {checks.shown(value)}"
                        )
        except BaseException:
            self._file.close()
            raise

    def _check_version(self) -> None:
        metadata = self._file.metadata
        if metadata.get("format") == "densecore-ensemble":
            raise ValueError(f"{self.path}: an ensemble, not a model: Ensemble.load reads it")
        if metadata.get("format") != FORMAT:
            raise ValueError(f"{self.path}: a safetensors file, but not a densecore model")
        version = metadata.get("format_version", "")
        if not (version.isascii() and version.isdigit() and len(version) < 9 and int(version) > 0):
            raise ValueError(
                f"{self.path}: found format version {checks.shown(version)}, wanted a number"
            )
        if int(version) > FORMAT_VERSION:
            writer = checks.one_line(metadata.get("densecore_version", "a newer version"), 20)
            raise ValueError(
                f"{self.path}: written by densecore {writer} in format {version}; this version "
                f"({core.__version__}) reads up to format {FORMAT_VERSION}: upgrade densecore"
            )

    def _json(self, key: str) -> dict[str, Any]:
        try:
            value = safetensors.parse_json(self._file.metadata[key].encode())
            if not isinstance(value, dict):
                raise ValueError(f"found a {type(value).__name__}, wanted a dictionary")
        except KeyError:
            raise ValueError(f"{self.path}: the model is damaged: no entry '{key}'") from None
        except ValueError as error:
            raise ValueError(
                f"{self.path}: the model is damaged: its entry '{key}' is not readable: {error}"
            ) from None
        return value

    def check(self, shapes: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> None:
        """Compare the tensors with what the configuration implies."""
        self._file.check(dict(shapes))

    def read(self, name: str, out: Array) -> None:
        """Read one tensor into an array of its shape and dtype."""
        self._file.read(name, out)

    def __enter__(self) -> "ModelFile":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def open_model(path: str | os.PathLike[str]) -> ModelFile:
    """Open a model file.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not a model, damaged, or written by a newer version.
    """
    return ModelFile(path)
