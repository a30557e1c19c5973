"""BackupAndRestore: a training that is killed goes on when it is started again."""

import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._base import checks
from .._saving import safetensors
from .base import Callback, CallbackList, Logs, overrides

if TYPE_CHECKING:
    from ..models.model import Model

StrPath = str | os.PathLike[str]


_FORMAT = "densecore training"
# "1", of densecore 0.1, has no checksum. The last one is written.
_VERSIONS = ("1", "2")
_FILE = "training.safetensors"


class BackupAndRestore(Callback):
    """Let a killed training resume where it was, with the same bits, when it is started again.

    After each epoch parameters, optimizer state, counters, the history so far and the state of all
    other callbacks are written to one file, which appears whole or not at all. ``fit`` with the
    same directory reads it and goes on with the next epoch; the end of the training removes it.
    Data that comes from an iterator is not wound forward.

    Parameters
    ----------
    backup_dir : path
        A directory of this training alone; made when it is missing.
    save_freq : "epoch" or int, default "epoch"
        After how many epochs the file is written. (In Keras an integer counts batches.)
    delete_checkpoint : bool, default True
        Whether a training that ends removes the file.

    Raises
    ------
    ValueError
        An empty path, or a `save_freq` that is not one of these.
    """

    runs_last = True
    writes_files = True

    def __init__(
        self,
        backup_dir: StrPath,
        save_freq: str | int = "epoch",
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        self.backup_dir = checks.path("BackupAndRestore: backup_dir", backup_dir)
        if not self.backup_dir:
            raise ValueError(
                "BackupAndRestore: backup_dir: found an empty path, wanted a directory"
            )
        every = 1 if isinstance(save_freq, str) and save_freq == "epoch" else save_freq
        self.save_freq = checks.integer(
            "BackupAndRestore: save_freq", every, 1, wanted="'epoch' or a number of epochs"
        )
        self.delete_checkpoint = checks.flag(
            "BackupAndRestore: delete_checkpoint", delete_checkpoint
        )

    @property
    def path(self) -> str:
        """The file that is written."""
        return os.path.join(self.backup_dir, _FILE)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Restore the training that the file holds, if there is one.

        Raises
        ------
        NotADirectoryError
            `backup_dir` is a file.
        ValueError
            The file belongs to another training, or is damaged.
        """
        if os.path.isfile(self.backup_dir):
            raise NotADirectoryError(f"{self.backup_dir}: is a file, wanted a directory")
        os.makedirs(self.backup_dir, exist_ok=True)
        json.dumps(_identity(self.model))  # refuses a model that no file can hold
        json.dumps(self.model._compiled_optimizer().get_config())
        if os.path.exists(self.path):
            with safetensors.open_file(self.path) as file:
                self.restore(file)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write all that the next epoch depends on."""
        if (epoch + 1) % self.save_freq == 0 or self.model.stop_training:
            self._write(epoch)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Remove the file: the next training starts anew."""
        if self.delete_checkpoint:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(self.backup_dir)

    def write_within(self, epoch: int, steps: int, totals: list[list[Any]]) -> None:
        """Write a training that stops within an epoch, of which so many steps are made."""
        self._write(epoch - 1, {"steps": steps, "totals": totals})

    def _write(self, epoch: int, within: dict[str, Any] | None = None) -> None:
        model = self.model
        tensors = _model_tensors(model)
        callbacks = []
        for number, callback in enumerate(_others(self)):
            state = _split(callback.get_state(), f"callbacks.{number}", tensors)
            callbacks.append({"class": type(callback).__name__, "state": state})
        metadata = {
            "format": _FORMAT,
            "version": _VERSIONS[-1],
            "model": json.dumps(_identity(model)),
            "seed": str(model.seed),
            "optimizer": json.dumps(model._compiled_optimizer().get_config()),
            "progress": json.dumps(model.progress),
            "training": json.dumps(
                {
                    "epoch": epoch,
                    "stopped": bool(model.stop_training),
                    "callbacks": callbacks,
                    **({} if within is None else {"within": within}),
                }
            ),
        }
        metadata["checksum"] = _checksum(metadata, tensors)
        safetensors.write(self.path, tensors, metadata)

    def restore(self, file: safetensors.SafetensorsFile) -> None:
        """Take over a training; nothing has changed when it raises ValueError."""
        model = self.model
        if file.metadata.get("format") != _FORMAT or file.metadata.get("version") not in _VERSIONS:
            raise ValueError(f"{self.path}: not a training that this version can resume")
        try:
            saved = _Training(file)
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(error) from None
        if saved.model != _identity(model):
            raise ValueError(
                f"{self.path}: belongs to another model; give each training a backup_dir of its own"
            )
        callbacks = _others(self)
        wanted = [type(callback).__name__ for callback in callbacks]
        if saved.classes != wanted:
            raise ValueError(
                f"{self.path}: found the callbacks {', '.join(saved.classes)}, wanted those of "
                f"this fit: {', '.join(wanted)}"
            )
        before = [callback.get_state() for callback in callbacks]
        optimizer = model._compiled_optimizer()
        settings = optimizer.get_config()
        try:
            arrays = {name: saved.array(name, view) for name, view in _model_tensors(model).items()}
            for name, value in _numbers(saved.settings_among(settings)).items():
                setattr(optimizer, name, value)
            for callback, state in zip(callbacks, saved.states, strict=True):
                callback.set_state(_joined(state, file))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            for name, value in _numbers(settings).items():
                setattr(optimizer, name, value)
            for callback, state in zip(callbacks, before, strict=True):
                callback.set_state(state)
            raise self._damaged(error) from None
        if saved.seed != model.seed:
            # The seed of shuffles belongs to the core's compilation.
            model.seed = saved.seed
            model._network_changed()
        for name, view in _model_tensors(model).items():
            view[...] = arrays[name]
        model._set_progress(saved.progress)
        model.stop_training = saved.stopped
        model._initial_epoch = saved.epoch + 1
        model._initial_step, model._initial_totals = saved.steps, saved.totals

    def _damaged(self, error: Exception) -> ValueError:
        reason = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        return ValueError(f"{self.path}: the training is damaged: {checks.one_line(reason)}")


class _Training:
    """The contents of a backup, of the types that they must have.

    Raises
    ------
    KeyError, TypeError, ValueError
        Something is missing, or cannot be.
    """

    def __init__(self, file: safetensors.SafetensorsFile) -> None:
        self._file = file
        metadata = dict(file.metadata)
        if metadata["version"] != _VERSIONS[0]:
            checksum = metadata.pop("checksum")
            arrays = {name: file.read(name) for name in file.tensors}
            if checksum != _checksum(metadata, arrays):
                raise ValueError("its contents do not match its checksum")
        read = {
            key: safetensors.parse_json(metadata[key].encode(), parse_constant=None)
            for key in ("model", "optimizer", "progress", "training")
        }
        self.model = read["model"]
        self.seed = checks.seed(_seed_of(metadata["seed"]))
        self.progress = {
            counter: checks.integer(counter, read["progress"][counter], 0, 2**62)
            for counter in ("steps", "epochs")
        }
        training = read["training"]
        within = training.get("within", {"steps": 0, "totals": []})
        self.epoch = checks.integer("epoch", training["epoch"], -1, 2**62)
        # The steps of the next epoch that are made already, and their sums.
        self.steps = checks.integer("steps", within["steps"], 0, 2**62)
        self.totals = [_totals(entry) for entry in within["totals"]]
        self.stopped = checks.flag("stopped", training["stopped"])
        callbacks = training["callbacks"]
        self.classes = [checks.text("class", entry["class"]) for entry in callbacks]
        self.states = [entry["state"] for entry in callbacks]
        self._optimizer: dict[str, Any] = read["optimizer"]
        for found in (self.model, self._optimizer, *self.states):
            if not isinstance(found, dict):
                raise TypeError(f"found a {type(found).__name__}, wanted a dictionary")

    def settings_among(self, known: dict[str, Any]) -> dict[str, Any]:
        """The saved settings of the optimizer; ValueError for a name that is not among `known`."""
        unknown = self._optimizer.keys() - known.keys()
        if unknown:
            raise ValueError(f"found the setting {min(unknown)!r}, which the optimizer has not")
        return self._optimizer

    def array(self, name: str, view: Any) -> Any:
        """A tensor of the shape and dtype of a view."""
        if name not in self._file.tensors or self._file.tensors[name].shape != view.shape:
            raise ValueError(f"no tensor {name} as wanted")
        return self._file.read(name, np.empty_like(view))


def _numbers(settings: dict[str, Any]) -> dict[str, float]:
    """The settings of an optimizer that are numbers."""
    return {
        name: value
        for name, value in settings.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


class StepTotals(NamedTuple):
    """The sums of a step within an epoch, in the order of the core's `add_batch`."""

    losses: list[float]
    rows: int
    weights: list[float]
    penalty: float


def _totals(entry: Any) -> StepTotals:
    if not isinstance(entry, list) or len(entry) != 4:
        raise TypeError("totals: found something else than lists of four parts")
    sums, rows, weights, penalty = entry
    if not isinstance(sums, list) or not isinstance(weights, list):
        raise TypeError("totals: found sums or weights that are no lists")
    if any(checks.real(value) is None for value in (*sums, *weights, penalty)):
        raise TypeError("totals: found values that are not numbers")
    whole = checks.integer("rows", rows)
    return StepTotals(list(map(float, sums)), whole, list(map(float, weights)), float(penalty))


def _seed_of(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ValueError(f"found the seed {safetensors.brief(text)}, wanted an integer")
    return int(text)


def _checksum(metadata: dict[str, str], tensors: Mapping[str, Any]) -> str:
    """CRC-32 of all other entries and of all tensors, by name."""
    total = zlib.crc32(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        total = zlib.crc32(array.reshape(-1).view(np.uint8).data, zlib.crc32(name.encode(), total))
    return f"{total:08x}"


def _others(callback: Callback) -> list[Callback]:
    """The other callbacks that have a state; callbacks without one may differ in a resumed fit."""
    companions: CallbackList = callback._companions  # type: ignore[assignment]
    return [other for other in companions.all_callbacks() if overrides(other, "get_state")]


def _identity(model: "Model") -> dict[str, Any]:
    """The properties that a model must share with the model of a backup."""
    config = model._architecture()
    layers = [{**layer, "name": None} for layer in config["layers"]]
    return {
        "dtype": config["dtype"],
        "inputs": config["inputs"],
        "layers": layers,
        "optimizer": model._compiled_optimizer().name,
        "loss": model._compiled_loss().get_config(),
    }


def _model_tensors(model: "Model") -> dict[str, Any]:
    """Parameters and optimizer state, as views; also of a model whose loss no file can hold."""
    tensors = dict(model._tensors())
    for name, state in model._network.optimizer_states().items():
        tensors[f"optimizer.{name}"] = state
    return tensors


def _split(state: dict[str, Any], name: str, tensors: dict[str, Any]) -> dict[str, Any]:
    """A callback's state as JSON can hold it; its arrays go to `tensors`."""
    plain: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, np.ndarray):
            tensors[f"{name}.{key}"] = value
            plain[key] = {"tensor": f"{name}.{key}"}
        elif isinstance(value, list) and any(isinstance(item, np.ndarray) for item in value):
            names = [f"{name}.{key}.{number}" for number in range(len(value))]
            tensors.update(zip(names, value, strict=True))
            plain[key] = {"tensors": names}
        else:
            plain[key] = value
    return plain


def _joined(state: dict[str, Any], file: safetensors.SafetensorsFile) -> dict[str, Any]:
    """A callback's state out of its plain part and the file's arrays: the inverse of `_split`."""
    whole: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, dict) and set(value) == {"tensor"}:
            whole[key] = file.read(value["tensor"])
        elif isinstance(value, dict) and set(value) == {"tensors"}:
            whole[key] = [file.read(name) for name in value["tensors"]]
        else:
            whole[key] = value
    return whole
