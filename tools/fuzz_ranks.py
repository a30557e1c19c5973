"""Random trainings on 1, 2, 4 and 8 ranks: parameters, optimizer states and history are compared.

    python tools/fuzz_ranks.py [--cases N | --seconds N] [--first CASE]

A case is a random network (of fuzz_networks.py: stacks and graphs of any layers, some with several
inputs and outputs), its objective, its data (dense, sparse, of another dtype, memory maps, frames,
dictionaries, batch by batch, files), how ranks have the rows, and callbacks. Ranks are threads.

- Where all ranks have all rows, or read files, every number of ranks has the bits of one process;
  where the documentation says "within rounding" (batch normalisation, functions that run in
  Python, networks that one process does not cut) those of one rank.
- Where ranks have rows of their own, all of them have the same bits, near those of one process.
- A training that one rank ends by an exception goes on from its backup on other ranks, to the bits
  of an undisturbed one.

What ranks refuse, all refuse with one message. Anything else is printed with the number of its
case, and gives status 1; ``--first`` starts with that one.
"""

import argparse
import faulthandler
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_networks import data, graph_case, random_case

import densecore as dc
from densecore.callbacks import Callback
from densecore.distributed import Threads, run_threads

RANKS = (1, 2, 4, 8)
WAIT = 30.0  # seconds that a rank waits for the others
#: float64, after a few steps; a network may multiply roundings.
NEAR = 1e-6


class Stops(Callback):
    """Ends a training after so many of its steps."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left <= 0:
            self.model.stop_training = True


class Slower(Callback):
    """Takes another learning rate before each batch, on rank 0 alone: that of all."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        rate = 0.01 / (1 + batch % 3)
        if isinstance(self.model.optimizer.learning_rate, float):
            self.model.optimizer.learning_rate = rate


class Raises(Callback):
    """Ends a training by an exception at one of its steps."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left == 0:
            raise ZeroDivisionError("out of luck")


def callbacks_of(kind: str, rank: int, step: int) -> list[Any]:
    """New callbacks of a rank."""
    kinds: dict[str, Any] = {
        "none": list,
        "early stopping": lambda: [dc.callbacks.EarlyStopping("loss", patience=0,
                                                              restore_best_weights=True)],
        "plateau": lambda: [dc.callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=1e9)],
        "stops": lambda: [Stops(step)],
        "stops on one": lambda: [Stops(step)] if rank == 0 else [],
        "slower on one": lambda: [Slower()] if rank == 0 else [],
        "schedule on one": lambda: [dc.callbacks.LearningRateScheduler(
            lambda epoch: 0.01 / (1 + epoch))] if rank == 0 else [],
        "listens": lambda: [dc.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: None)],
        "averages": lambda: [dc.callbacks.SwapEMAWeights()],
    }  # fmt: skip
    found: list[Any] = kinds[kind]()
    return found


KINDS = ["none", "early stopping", "plateau", "stops", "stops on one", "slower on one",
         "schedule on one", "listens"]  # fmt: skip


def in_another_form(x: Any, form: str, folder: Path, names: list[str]) -> Any:
    """The same rows as users have them."""
    if isinstance(x, list):
        return dict(zip(names, x, strict=True)) if form == "dictionary" else x
    if form == "sparse":
        import scipy.sparse

        return scipy.sparse.csr_array(np.where(np.abs(x) > 0.7, x, 0))
    if form == "frame":
        import pandas as pd

        return pd.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])])
    if form == "dtype":
        return x.astype("float64" if x.dtype == "float32" else "float32")
    if form == "order":
        return np.asfortranarray(x)
    if form == "map":
        np.save(folder / "x.npy", x)
        return np.load(folder / "x.npy", mmap_mode="r")
    return x


class Trial:
    """One case: its data in some form, and how it is trained."""

    def __init__(self, number: int, folder: Path) -> None:
        rng = np.random.default_rng([number, 6])
        self.case = graph_case(number) if number % 3 == 2 else random_case(number)
        case, self.rng, self.folder = self.case, rng, folder
        model = case.make()
        names = [each.name for each in model.inputs] if isinstance(case.x, list) else []
        several = isinstance(case.x, list)
        plain = not several and case.x.ndim == 2
        forms = ["as it is", "dictionary" if several else "order"]
        forms += ["sparse", "frame", "dtype", "map"] if plain else []
        self.form = str(rng.choice(forms))
        self.x = in_another_form(case.x, self.form, folder, names)
        kinds = [*KINDS, *(["averages"] if model.optimizer.use_ema else [])]
        if isinstance(model.optimizer.get_config()["learning_rate"], dict):  # a schedule sets it
            kinds = [kind for kind in kinds if kind not in ("plateau", "schedule on one")]
        self.kind = str(rng.choice(kinds))
        self.step = int(rng.integers(1, 9))
        self.how: dict[str, Any] = {"batch_size": case.batch_size, "epochs": 3, "verbose": 0,
                                    "sample_weight": case.weight}  # fmt: skip
        self.how["shuffle"] = bool(rng.random() < 0.7)
        if case.count > 20 and rng.random() < 0.4:
            self.how["validation_split"] = 0.2
        labels = not isinstance(case.y, list | dict) and case.y.ndim == 1
        if labels and rng.random() < 0.5:
            self.how["class_weight"] = {0: 2.0, 1: 0.5}
        if rng.random() < 0.2:
            self.how["steps_per_epoch"] = max(1, -(-case.count // case.batch_size) // 2)
        self.metrics = labels and bool(rng.random() < 0.5)

    def make(self) -> Any:
        model = self.case.make()
        if self.metrics:
            model.compile(model.optimizer, model.loss, ["accuracy"])
        return model

    def fit(self, comm: Any = None, callbacks: Any = None, **how: Any) -> tuple[Any, Any]:
        """A new model, trained, and its history."""
        model, rank = self.make(), 0 if comm is None else comm.rank
        if callbacks is None:
            callbacks = callbacks_of(self.kind, rank, self.step)
        given = {"x": self.x, "y": self.case.y, **self.how, **how}
        found = model.fit(**given, callbacks=callbacks, comm=comm)
        return model, found.history

    @property
    def exact(self) -> bool:
        """Whether ranks have the bits of one process that is given no communicator."""
        model = self.make()
        network = model._network
        functions = bool(model._plan().functions)
        rows = [self.case.batch_size, self.case.count % self.case.batch_size or 1]
        cut = all(network.leaves_of(count) > 0 for count in rows)
        return cut and not functions and not network.couples_rows()

    def __str__(self) -> str:
        model = self.make()
        return f"{type(model).__name__} {model.dtype}, {model.loss.name}, " + ", ".join(
            [model.optimizer.name, self.form, self.kind, str(self.case.count), str(self.how)]
        )


def bits(model: Any) -> bytes:
    """Weights, and the optimizer's states."""
    states = model._network.optimizer_states()
    return b"".join(map(data, [*model.get_weights(), *states.values()]))


def differs(found: Any, wanted: Any) -> str:
    """How two histories differ, if they do; learning rates stand in that of the rank which sets
    them."""
    found, wanted = ({key: values for key, values in each.items() if key != "learning_rate"}
                     for each in (found, wanted))  # fmt: skip
    if found.keys() != wanted.keys():
        return f"history of {list(found)}, wanted {list(wanted)}"
    for key, values in wanted.items():
        if len(values) != len(found[key]):
            return f"{key}: {len(found[key])} epochs, wanted {len(values)}"
        if not np.allclose(found[key], values, rtol=1e-6, atol=1e-30, equal_nan=True):
            return f"{key}: {found[key]}, wanted {values}"
    return ""


def all_rows(trial: Trial) -> Iterator[str]:
    """All ranks have all rows."""
    alone, history = trial.fit()
    wanted = bits(alone)
    if not trial.exact:
        ((one, _),) = run_threads(1, trial.fit, WAIT)
        wanted = bits(one)
    for ranks in RANKS:
        if ranks > min(trial.case.batch_size, trial.case.count):
            break
        for rank, (model, found) in enumerate(run_threads(ranks, trial.fit, WAIT)):
            if bits(model) != wanted:
                yield f"rank {rank} of {ranks}: other bits"
            elif trial.exact and (how := differs(found, history)):
                yield f"rank {rank} of {ranks}: {how}"


def own_rows(trial: Trial) -> Iterator[str]:
    """Each rank has some of the rows; the batch is all of them."""
    case = trial.case
    ranks = int(trial.rng.choice([2, 3, 4]))
    cuts = np.sort(trial.rng.integers(0, case.count + 1, ranks - 1))
    if case.count < ranks:
        return
    bounds = [0, *map(int, cuts), case.count]
    trial.how |= {"batch_size": case.count, "shuffle": False}
    trial.how.pop("validation_split", None)
    trial.how.pop("steps_per_epoch", None)
    trial.kind = "none"

    def part(given: Any, own: slice) -> Any:
        if isinstance(given, dict):
            return {key: part(each, own) for key, each in given.items()}
        if isinstance(given, list):
            return [part(each, own) for each in given]
        return None if given is None else given[own]

    def fit(comm: Threads) -> tuple[Any, Any]:
        own = slice(bounds[comm.rank], bounds[comm.rank + 1])
        return trial.fit(comm, x=part(trial.x, own), y=part(case.y, own),
                         sample_weight=part(case.weight, own))  # fmt: skip

    _, history = trial.fit()
    trained = run_threads(ranks, fit, WAIT)
    if len({bits(model) for model, _ in trained}) > 1:
        yield f"own rows {bounds}: ranks have other bits than each other"
    # One step of each: later ones follow from roundings, which some rules turn into whole steps.
    for key in history:
        found, wanted = trained[0][1][key][0], history[key][0]
        if np.isfinite(wanted) and abs(found - wanted) > 1e-5 * abs(wanted) + 1e-6:
            yield f"own rows {bounds}: {key} {found}, wanted {wanted}"


def interrupted(trial: Trial) -> Iterator[str]:
    """One rank raises at some step; another number of ranks goes on."""
    if not trial.exact:
        return
    trial.kind = "none"
    alone, history = trial.fit()
    place = trial.folder / "backup"
    first, then = (int(each) for each in trial.rng.choice([1, 2, 4], 2))
    if max(first, then) > min(trial.case.batch_size, trial.case.count):
        return

    def broken(comm: Threads) -> bool:
        own = [dc.callbacks.BackupAndRestore(place)]
        own += [Raises(trial.step)] if comm.rank == comm.size - 1 else []
        try:
            trial.fit(comm, own)
        except (ZeroDivisionError, dc.distributed.RankError):
            return True
        return False

    if not all(run_threads(first, broken, WAIT)):
        return  # the training had fewer steps
    resumed = run_threads(
        then, lambda comm: trial.fit(comm, [dc.callbacks.BackupAndRestore(place)]), WAIT
    )
    for rank, (model, found) in enumerate(resumed):
        if bits(model) != bits(alone):
            yield f"{first} ranks, then {then}: rank {rank} has other bits"
        elif how := differs(found, history):
            yield f"{first} ranks, then {then}: rank {rank}: {how}"


def files(trial: Trial) -> Iterator[str]:
    """All ranks read the same files."""
    case = trial.case
    if isinstance(case.x, list) or case.x.ndim != 2 or isinstance(case.y, list | dict):
        return
    cuts = sorted({0, case.count, *map(int, trial.rng.integers(0, case.count, 3))})
    for number, (begin, end) in enumerate(pairwise(cuts)):
        np.save(trial.folder / f"x{number:03}.npy", case.x[begin:end])
        np.save(trial.folder / f"y{number:03}.npy", case.y[begin:end])
        if case.weight is not None:
            np.save(trial.folder / f"w{number:03}.npy", case.weight[begin:end])
    weight = None if case.weight is None else str(trial.folder / "w???.npy")
    shards = dc.data.Shards(str(trial.folder / "x???.npy"), str(trial.folder / "y???.npy"),
                            weight=weight, window=int(trial.rng.choice([100, 10_000])))  # fmt: skip
    for name in ("validation_split", "steps_per_epoch"):
        trial.how.pop(name, None)
    how = {"x": shards, "y": None, "sample_weight": None}
    ((alone, history),) = run_threads(1, lambda comm: trial.fit(comm, **how), WAIT)
    for ranks in RANKS:
        if ranks > min(case.batch_size, case.count):
            break
        trained = run_threads(ranks, lambda comm: trial.fit(comm, **how), WAIT)
        for rank, (model, found) in enumerate(trained):
            if bits(model) != bits(alone):
                yield f"files: rank {rank} of {ranks}: other bits"
            elif wrong := differs(found, history):
                yield f"files: rank {rank} of {ranks}: {wrong}"


WAYS = {"all rows": all_rows, "own rows": own_rows, "interrupted": interrupted, "files": files}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=None, help="so many, instead of --seconds")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # random trainings diverge
    dc.set_num_threads(1)
    end = time.monotonic() + options.seconds
    number, failed = options.first, 0
    done: Counter[str] = Counter()
    while number - options.first < (options.cases or 10**9):
        if options.cases is None and time.monotonic() > end:
            break
        faulthandler.dump_traceback_later(300, exit=True)
        way = "all rows" if number % 2 == 0 else list(WAYS)[1 + number // 2 % 3]
        said = ""
        with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
            try:
                trial = Trial(number, Path(folder))
                said = str(trial)
                wrong = list(WAYS[way](trial))
            except ValueError as error:
                wrong = [] if str(error).startswith("comm: ") else [traceback.format_exc()]
                done["refused"] += not wrong
            except Exception:
                wrong = [traceback.format_exc()]
        for text in wrong:
            print(f"case {number}, {way} ({said}): {text}", flush=True)
        failed += bool(wrong)
        done[way] += 1
        number += 1
    faulthandler.cancel_dump_traceback_later()
    print(f"{number - options.first} cases, {failed} of them wrong: {dict(done)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
