"""Callbacks that write the numbers of a training to files."""

import csv
import math
import os
from collections.abc import Callable
from typing import Any, Literal, TextIO

import numpy as np

from .._base import checks
from .._base.lazy import imports
from .base import Callback, Logs


class LambdaCallback(Callback):
    """A callback from functions: each named argument is the hook of that name.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable(epoch, logs), optional
    on_train_begin, on_train_end : callable(logs), optional
    on_train_batch_begin, on_train_batch_end : callable(batch, logs), optional
    **hooks : callable, optional
        Any other hook of `Callback`.

    Raises
    ------
    TypeError
        Something that is not callable, or a hook that there is not.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs], Any] | None = None,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_train_begin: Callable[[Logs], Any] | None = None,
        on_train_end: Callable[[Logs], Any] | None = None,
        on_train_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs], Any] | None = None,
        **hooks: Callable[..., Any],
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **hooks,
        }
        known = [name for name in vars(Callback) if name.startswith("on_")]
        for name, function in given.items():
            if name not in known:
                raise TypeError(f"LambdaCallback: unknown hook {name!r}; known: {', '.join(known)}")
            if function is None:
                continue
            if not callable(function):
                raise TypeError(
                    f"LambdaCallback: {name}: found {type(function).__name__}, wanted a callable"
                )
            setattr(self, name, function)


class CSVLogger(Callback):
    """Write the epochs' numbers to a file, a line each, which is on disk before the next epoch.

    Parameters
    ----------
    filename : path
    separator : str, default ","
        Between the columns.
    append : bool, default False
        Whether to go on in an existing file, under its header, instead of replacing it.
    """

    writes_files = True

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        super().__init__()
        self.filename = checks.path("CSVLogger: filename", filename)
        self.separator = checks.text("CSVLogger: separator", separator)
        if len(self.separator) != 1 or self.separator in '\r\n"':
            raise ValueError(
                f"CSVLogger: separator: found {checks.shown(separator)}, wanted one character"
            )
        self.append = checks.flag("CSVLogger: append", append)
        self._file: TextIO | None = None
        self._columns: list[str] = []
        self._size: int | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """An earlier training's file is done with."""
        self._release()
        self._size = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a line; what an epoch does not have is NA."""
        logs = logs or {}
        file = self._file or self._open(logs)
        row = {"epoch": epoch, **{name: _plain(value) for name, value in logs.items()}}
        writer = csv.writer(file, delimiter=self.separator, lineterminator="\n")
        writer.writerow([row.get(name, "NA") for name in self._columns])
        file.flush()

    def _open(self, logs: Logs) -> TextIO:
        # Not before there is something to write: until then a resumed training can say how much of
        # the file is its own.
        if self._size is not None:
            with open(self.filename, "ab") as file:
                file.truncate(self._size)
        keep = self.append or self._size is not None
        self._columns = _header(self.filename, self.separator) if keep else []
        how: Literal["a", "w"] = "a" if keep else "w"
        self._file = open(self.filename, how, newline="", encoding="utf-8")  # noqa: SIM115
        if not self._columns:
            later = [name for name in self.params.get("metrics", ()) if name not in logs]
            self._columns = ["epoch", *logs, *later]
            writer = csv.writer(self._file, delimiter=self.separator, lineterminator="\n")
            writer.writerow(self._columns)
        return self._file

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def get_state(self) -> dict[str, Any]:
        """How much of the file is written."""
        return {"size": None if self._file is None else os.fstat(self._file.fileno()).st_size}

    def set_state(self, state: dict[str, Any]) -> None:
        """Drop lines of epochs that are about to be repeated, and go on behind the others."""
        self._size = checks.optional("size", state["size"], 0)


def _header(path: str, separator: str) -> list[str]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return next(csv.reader(file, delimiter=separator), [])
    except FileNotFoundError:
        return []


def _plain(value: Any) -> Any:
    return float(value) if hasattr(value, "__float__") else value


class TensorBoard(Callback):
    """Write the epochs' numbers where TensorBoard finds them.

    Parameters
    ----------
    log_dir : path, default "logs"
        ``train`` and ``validation`` below it become the two curves of each picture, as in Keras.
    histogram_freq : int, default 0
        After every so many epochs the weights' histograms are written; 0: never.
    write_graph, write_images, write_steps_per_second, update_freq, profile_batch
        Accepted for Keras's sake, and without effect: numbers are those of epochs.
    embeddings_freq, embeddings_metadata
        0 and None only.

    Raises
    ------
    ImportError
        Neither torch.utils.tensorboard nor tensorboardX can be imported.
    ValueError
        Embeddings are asked for.
    """

    writes_files = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: None = None,
    ) -> None:
        super().__init__()
        self.log_dir = checks.path("TensorBoard: log_dir", log_dir)
        self.histogram_freq = checks.integer("TensorBoard: histogram_freq", histogram_freq, 0)
        if embeddings_freq != 0 or embeddings_metadata is not None:
            raise ValueError(
                "TensorBoard: found embeddings_freq or embeddings_metadata, wanted 0 and None: "
                "embeddings are not written"
            )
        self._writer_class = _summary_writer()
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the numbers."""
        for name, value in (logs or {}).items():
            held_out = name.startswith("val_")
            tag = f"epoch_{name.removeprefix('val_')}"
            number = float(value)
            if math.isfinite(number):
                self._writer("validation" if held_out else "train").add_scalar(tag, number, epoch)
        if self.histogram_freq and (epoch + 1) % self.histogram_freq == 0:
            for weight in self.model.weights:
                tag = getattr(weight, "path", "weights")
                self._writer("train").add_histogram(tag, np.asarray(weight), epoch)
        for writer in self._writers.values():
            writer.flush()

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = self._writer_class(os.path.join(self.log_dir, part))
        return self._writers[part]

    def _release(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def _summary_writer() -> Any:
    with imports:
        import importlib

    for module in ("torch.utils.tensorboard", "tensorboardX"):
        try:
            return importlib.import_module(module).SummaryWriter
        except ImportError:
            continue
    raise ImportError(
        "TensorBoard needs a writer of its files: pip install tensorboardX (or torch with "
        "tensorboard)"
    )
