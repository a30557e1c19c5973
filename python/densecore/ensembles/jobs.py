"""The settings of an ensemble's `fit`, the result of a group of members, and the log of members."""

import hashlib
import json
import os
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from .._base import checks, core
from .._base.dtypes import Array
from ..metrics import larger_is_better
from .members import Members


class BestEpoch(NamedTuple):
    """The rule by which a member keeps an epoch."""

    number: int  # of the monitored one among those of the validation
    grows: bool  # whether more is better
    patience: int  # 0: no early stopping


class Job(NamedTuple):
    """The settings that all groups of a training share: see the core's ``Ensemble.fit``."""

    epochs: int
    batch_size: int
    shuffle: bool
    best: BestEpoch | None
    names: list[str]


def best_epoch(
    members: Members, restore: bool, monitor: str, patience: int | None, validated: bool
) -> BestEpoch | None:
    """The rule that `Ensemble.fit` is given, checked; None when members keep their last epoch."""
    if not restore:
        if patience is not None:
            raise ValueError("patience: found it without restore_best_weights=True")
        return None
    known = ["val_" + name for name in members.metrics_names]
    if not validated:
        raise ValueError("restore_best_weights: found no validation data to tell the best by")
    if checks.text("monitor", monitor) not in known:
        raise ValueError(
            f"monitor: found {checks.shown(monitor)}, wanted one of {', '.join(known)}"
        )
    if any(optimizer.use_ema for optimizer in members.optimizers):
        raise ValueError(
            "restore_best_weights: found an optimizer with use_ema=True, whose average "
            "replaces the parameters at the end of training; wanted one of them"
        )
    name = monitor.removeprefix("val_")
    grows = members._model._directions.get(name, larger_is_better(name))
    return BestEpoch(known.index(monitor), grows, checks.optional("patience", patience) or 0)


class GroupResult(NamedTuple):
    """The results of training a group of members."""

    tensors: dict[str, Array]
    progress: dict[str, list[int]]
    report: NDArray[np.float64]  # (epochs, numbers, members)
    kept: NDArray[np.int64]  # (members,): the epoch that a member's parameters are of


class Log:
    """A file with a line for each member that is trained; a killed training resumes from it.

    The key of a line is a digest of everything that determines the member's result: architecture,
    seed, optimizer, loss, options, rows.

    Parameters
    ----------
    path : path
        Made when it is missing. Lines of other trainings may be there; half a line, which a killed
        process leaves, is not read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = checks.path("log", path)
        self._known: dict[str, dict[str, Any]] = {}
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    self._read(line)

    def _read(self, line: str) -> None:
        try:
            found = json.loads(line)
        except ValueError:
            return
        if isinstance(found, dict) and isinstance(found.get("key"), str):
            self._known[found["key"]] = found

    def fill(
        self, key: str, member: int, report: NDArray[np.float64], kept: NDArray[np.int64]
    ) -> bool:
        """Copy a member's logged numbers; False if the log has none."""
        found = self._known.get(key)
        if found is None:
            return False
        try:
            numbers = np.array(list(found["numbers"].values()), np.float64).T
            int(found["epochs"])
            report[:, :, member], kept[member] = numbers, int(found["kept_epoch"])
        except (AttributeError, KeyError, TypeError, ValueError):
            return False
        return True

    def epochs(self, key: str) -> int:
        """The epochs that a member has been trained for."""
        return int(self._known[key]["epochs"])

    def add(
        self, keys: list[str], names: list[str], done: GroupResult, epochs: NDArray[np.int64]
    ) -> None:
        """Write the lines of a group; they are on disk when this returns."""
        with open(self.path, "a", encoding="utf-8") as file:
            _end_partial_line(self.path, file)
            for place, key in enumerate(keys):
                numbers = {
                    name: done.report[:, number, place].tolist()
                    for number, name in enumerate(names)
                }
                line = {
                    "key": key,
                    "epochs": int(epochs[place]),
                    "kept_epoch": int(done.kept[place]),
                    "numbers": numbers,
                }
                file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _end_partial_line(path: str, file: TextIO) -> None:
    with open(path, "rb") as read:
        if read.seek(0, os.SEEK_END) > 0:
            read.seek(-1, os.SEEK_END)
            if read.read(1) != b"\n":
                file.write("\n")


def keys_of(state: dict[str, Any], data: list[Any], job: Job) -> list[str]:
    """A digest for each member."""
    loss, metrics, weighted, optimizers = state["compiled"]
    digests: dict[int, str] = {}

    def of_array(array: Array) -> str:
        if id(array) not in digests:
            made = hashlib.blake2b(f"{array.dtype} {array.shape}".encode(), digest_size=16)
            made.update(np.ascontiguousarray(array).data)
            digests[id(array)] = made.hexdigest()
        return digests[id(array)]

    config = {key: value for key, value in state["config"].items() if key not in ("seed", "name")}
    keys = []
    for member in range(len(state["seeds"])):
        rows = [
            None if each is None else [
                None if arrays is None else of_array(arrays[0 if len(arrays) == 1 else member])
                for arrays in each
            ]
            for each in data
        ]  # fmt: skip
        what = [
            core.__version__, config, state["seeds"][member], loss.get_config(),
            [metric.get_config() for metric in (*metrics, *weighted)],
            optimizers[member].get_config(), job._asdict(), rows,
            [of_array(array[member]) for array in state["tensors"].values()],
        ]  # fmt: skip
        identity = json.dumps(what, sort_keys=True, default=_name_of).encode()
        keys.append(hashlib.blake2b(identity, digest_size=16).hexdigest())
    return keys


def _name_of(value: Any) -> str:
    return getattr(value, "__qualname__", type(value).__qualname__)
