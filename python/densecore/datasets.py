"""Keras's data sets, as far as their files are on this machine: nothing is downloaded.

``datasets.mnist.load_data()`` and its like read the files that Keras has put into
``~/.keras/datasets`` (or ``$KERAS_HOME/datasets``), or those of another path.
"""

import contextlib
import gzip
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._base import checks, unsupported
from ._base.dtypes import Array
from ._saving.keras_files import DAMAGED

__all__ = ["boston_housing", "california_housing", "fashion_mnist", "mnist"]

Split = tuple[tuple[Array, Array], tuple[Array, Array]]


def _find(path: str) -> str:
    """The file of that path, or of that name where Keras keeps its data sets."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    kept = os.path.join(home, "datasets", path)
    for candidate in (path, kept):
        if os.path.exists(candidate):
            return candidate
    raise FileNotFoundError(
        f"{kept}: no such file: densecore downloads nothing; wanted the file that Keras's "
        "load_data() leaves there, or load_data(path=...) of another; scikit-learn has data sets "
        "with it: sklearn.datasets.load_digits(return_X_y=True)"
    )


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """The arrays of an ``.npz`` file.

    Raises
    ------
    ValueError
        It is damaged, or of another kind.
    """
    found = _find(checks.path("path", path))
    try:
        with np.load(found, allow_pickle=False) as file:
            if not hasattr(file, "files"):
                raise ValueError("a single array, wanted an .npz file of several")
            yield file
    except Exception as error:  # of zipfile, zlib, tokenize and others
        text = checks.one_line(str(error))
        raise ValueError(f"{found}: found a damaged file or one of another kind ({text})") from None


class _Dataset:
    """A data set of a name, with Keras's `load_data`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<densecore.datasets.{self._name}>"


class _Mnist(_Dataset):
    def load_data(self, path: str = "mnist.npz") -> Split:
        """Images of digits (rows, 28, 28) and their labels (rows,), uint8: training, test."""
        with _opened(path) as file:
            return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])


class _FashionMnist(_Dataset):
    def load_data(self, path: str = "fashion-mnist") -> Split:
        """Images of clothes (rows, 28, 28) and their labels (rows,), uint8: training, test."""
        folder = _find(checks.path("path", path))

        def read(name: str, offset: int) -> Array:
            file_name = os.path.join(folder, name + "-ubyte.gz")
            try:
                with gzip.open(file_name, "rb") as file:
                    return np.frombuffer(file.read(), np.uint8, offset=offset)
            except FileNotFoundError:
                raise
            except (*DAMAGED, ValueError) as error:
                raise ValueError(f"{file_name}: found a damaged file ({error})") from None

        parts = []
        for part in ("train", "t10k"):
            images = read(f"{part}-images-idx3", 16).reshape(-1, 28, 28)
            parts.append((images, read(f"{part}-labels-idx1", 8)))
        return parts[0], parts[1]


class _Housing(_Dataset):
    def load_data(
        self,
        version: str = "large",
        path: str | None = None,
        test_split: float = 0.2,
        seed: int = 113,
    ) -> Split:
        """Features (rows, features) and prices (rows,): training, test.

        Parameters
        ----------
        version : {"large", "small"}, default "large"
            Of california_housing, "small" are its first 600 rows.
        path : str, optional
        test_split : float, default 0.2
            The share of the rows that are for the test.
        seed : int, default 113
            Of the order of the rows.
        """
        if version not in ("large", "small"):
            raise ValueError(f"version: found {version!r}, wanted 'large' or 'small'")
        share = checks.number("test_split", test_split, least=0, below=1)
        with _opened(f"{self._name}.npz" if path is None else path) as file:
            x, y = file["x"], file["y"]
        if version == "small":
            x, y = x[:600], y[:600]
        order = np.arange(len(x))
        np.random.RandomState(seed).shuffle(order)
        x, y = x[order], y[order]
        cut = int(len(x) * (1 - share))
        return (x[:cut], y[:cut]), (x[cut:], y[cut:])


mnist = _Mnist("mnist")
fashion_mnist = _FashionMnist("fashion_mnist")
boston_housing = _Housing("boston_housing")
california_housing = _Housing("california_housing")


def __getattr__(name: str) -> Any:
    raise unsupported.error(__name__, name, __all__)
