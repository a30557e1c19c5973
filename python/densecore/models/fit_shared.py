"""`Model.fit` when several ranks share its batches.

Ranks meet at one place of each step, the sum of the gradients. The slots behind the gradients say
whether a rank has raised or wants to stop: then all do, before that step's update.
"""

import json
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import solvers
from .._base import checks
from .._base.dtypes import Array, RunningMetrics
from .._data.batches import Arrays, Source
from .._data.dataset import Data
from .._saving import safetensors
from ..callbacks.base import CallbackList
from ..callbacks.checkpoints import BackupAndRestore
from ..callbacks.history import History
from ..data.shards import Shards
from ..distributed.group import Group, group_of
from .evaluate import evaluate_source, refuse_with_batches, validation_source
from .fit import FitArguments, Run, begin, listeners_of, params_of, sources_of
from .shared_rows import (
    AllRows,
    OwnBatches,
    OwnRows,
    ShardRows,
    SharedRows,
    Step,
    rows_of,
    same_everywhere,
)
from .shared_solver import SharedNetwork
from .sharing import STEPS_BETWEEN_CHECKS, Sharing

if TYPE_CHECKING:  # whose module imports this one
    from .model import Model


#: The error of estimators.
OTHER_ROWS = (
    "comm: found other rows on some ranks, wanted the same X and y on all of them: an estimator's "
    "classes, scaling and held out rows follow from all rows"
)
# The sums of a step's losses, its rows, what the sums are divided by, the penalty.
Totals = tuple[list[float], int, list[float], float]
#: Losses of so many steps are added up over the ranks at once.
_STEPS_AT_ONCE = 1024


def fit(model: "Model", arguments: FitArguments) -> History:
    """`Model.fit` with a communicator; `Model.fit` documents it."""
    group = group_of(arguments.comm)
    chunks = group.together(lambda: _chunks(arguments.chunks))
    if group.rank > 0:
        arguments.verbose = 0
    shards = isinstance(arguments.x, Shards)
    group.agree({"x": "Shards" if shards else "rows"})
    if shards:
        return _fit_shards(model, arguments, group)
    sources = group.together(lambda: _sources(model, arguments, group))
    _agree_on_batches(group, arguments, sources)
    sharing = Sharing(model, group, _settings(model, arguments, sources))
    source, validation = sources
    rows: SharedRows
    if isinstance(source, Arrays):
        same = same_everywhere(source.data, group)
        rows = (AllRows if same else OwnRows)(source, sharing.network, group, chunks)
        if arguments.same_rows and not same:
            raise ValueError(OTHER_ROWS)
        _check_size(group, source, rows)
    else:
        rows = OwnBatches(source, sharing.network, group, chunks)
    return _train(model, arguments, sharing, rows, validation)


def _fit_shards(model: "Model", arguments: FitArguments, group: Group) -> History:
    shards: Shards = arguments.x

    def prepare() -> tuple[Source | None, SharedRows]:
        refuse_with_batches(
            y=arguments.y,
            sample_weight=arguments.sample_weight,
            validation_split=arguments.validation_split or None,
            solver=arguments.solver,
            steps_per_epoch=arguments.steps_per_epoch,
        )
        model._data(*shards.first(), arguments.class_weight)  # builds, and refuses early
        size = arguments.rows_per_step
        rows = ShardRows(model, shards, group, min(size, shards.rows), bool(arguments.shuffle),
                         arguments.class_weight)  # fmt: skip
        validation = None
        if arguments.validation_data is not None:
            validation = validation_source(
                model,
                arguments.validation_data,
                arguments.validation_batch_size or size,
                arguments.validation_steps,
            )
        return validation, rows

    validation, rows = group.together(prepare)
    settings = _settings(model, arguments, (None, validation))
    settings |= {"batch_size": arguments.rows_per_step, **shards.description()}
    sharing = Sharing(model, group, settings)
    if min(arguments.rows_per_step, shards.rows) < group.size:
        raise ValueError(_too_few("batch_size", arguments.rows_per_step, group))
    return _train(model, arguments, sharing, rows, validation)


def _sources(model: "Model", arguments: FitArguments, group: Group) -> tuple[Source, Source | None]:
    if arguments.solver is not None:
        method = solvers.get(arguments.solver)
        solvers.check_layers(method, model._compiled_loss(), model._all_layers())
        # All rows are one batch.
        arguments.batch_size, arguments.shuffle = 2**62, False
    return sources_of(model, arguments, lambda *given: rows_of(model, *given))


def _agree_on_batches(
    group: Group, arguments: FitArguments, sources: tuple[Source, Source | None]
) -> None:
    kinds = {True: "arrays", False: "batches"}
    group.agree({"x": kinds[isinstance(sources[0], Arrays)]})


def _chunks(given: Any) -> int | None:
    chunks = checks.optional("chunks", given)
    if chunks is not None and chunks & (chunks - 1):
        raise ValueError(f"chunks: found {chunks}, wanted a power of two: a binary tree adds them")
    return chunks


def shared_network(
    model: "Model", x: Any, y: Any, weight: Any, comm: Any
) -> tuple[SharedNetwork, Data]:
    """All rows as a solver takes them, of which each rank has its part.

    Raises
    ------
    Exception
        On all ranks: the ranks differ in what must be the same, or have other rows.
    """
    group = group_of(comm)
    data = group.together(lambda: rows_of(model, x, y, weight))
    sharing = Sharing(model, group)
    if not same_everywhere(data, group):
        raise ValueError(OTHER_ROWS)
    source = Arrays(data, 2**62, False, None)
    (step,) = AllRows(source, sharing.network, group, None).epoch(0, 0)
    return SharedNetwork(sharing, step), Data(*step.batch)


def _settings(
    model: "Model", arguments: FitArguments, sources: tuple[Source | None, Source | None]
) -> dict[str, Any]:
    """The arguments of `fit` that must be the same on all ranks."""
    source, validation = sources
    return {
        "epochs": arguments.epochs,
        "initial_epoch": arguments.initial_epoch,
        "batch_size": source.batch_size if isinstance(source, Arrays) else None,
        "shuffle": bool(arguments.shuffle),
        "steps_per_epoch": arguments.steps_per_epoch,
        "chunks": arguments.chunks,
        "validation": validation is not None,
        "validation_freq": arguments.validation_freq,
    }


def _check_size(group: Group, source: Arrays, rows: SharedRows) -> None:
    """Raise on all ranks for batches of fewer rows than ranks."""
    total = rows.rows
    assert total is not None
    size = min(source.batch_size, total)
    if total == 0:
        raise ValueError("x: found no rows on any rank, wanted at least one")
    if size < group.size:
        what = "batch_size" if source.batch_size <= total else "x"
        raise ValueError(_too_few(what, size, group))


def _too_few(what: str, size: int, group: Group) -> str:
    return (
        f"{what}: found {size} rows for {group.size} ranks, wanted at least one for each: "
        "batch_size counts the rows of all ranks"
    )


def _differs(validation: Source | None, group: Group) -> bool:
    """Whether each rank validates on rows of its own; batches are not compared, and count as
    such."""
    if validation is None or group.size == 1:
        return False
    return not (isinstance(validation, Arrays) and same_everywhere(validation.data, group))


def _train(
    model: "Model",
    arguments: FitArguments,
    sharing: Sharing,
    rows: SharedRows,
    validation: Source | None,
) -> History:
    group, network = sharing.group, sharing.network
    own_validation = _differs(validation, group)
    params = params_of(
        model, arguments, rows.steps, rows.rows, rows.batch_size, validation is not None
    )
    names = params["metrics"]
    every = group.together(lambda: listeners_of(model, arguments, params))
    history = begin(model, arguments, every)
    listeners = _listeners(every, group)
    run = SharedRun(model, sharing, rows, validation, own_validation, arguments, listeners, names)
    with network.reserved(), _signals() as signals:
        run.signals = signals
        try:
            group.together(lambda: _begin(listeners, history))
            _go_on_as_first(model, every, history, sharing)
            sharing.take_state()
            if not run.any(model.stop_training):
                if arguments.solver is not None:
                    run.solve_shared(arguments, model._initial_epoch)
                else:
                    run.train(model._initial_epoch, arguments.epochs)
            network.finish_training()
            model._give_back()
            sharing.check_drift()
            group.together(lambda: listeners.on_train_end(run.logs))
            sharing.take_state()  # a callback of one rank may have put the best weights back
        finally:
            listeners.release()
    return history


def _listeners(every: CallbackList, group: Group) -> CallbackList:
    """The callbacks of this rank: files are written by rank 0 alone."""
    if group.rank == 0:
        return every
    listeners = CallbackList()
    listeners.params, listeners.history = every.params, every.history
    listeners.callbacks = [each for each in every.callbacks if not each.writes_files]
    return listeners


def _begin(listeners: CallbackList, history: History) -> None:
    history.on_train_begin()
    listeners.on_train_begin({})


def _go_on_as_first(
    model: "Model", every: CallbackList, history: History, sharing: Sharing
) -> None:
    """Where rank 0 goes on, all do: what it has restored from a file, the others take over."""
    group = sharing.group
    if group.size == 1:
        return
    backups = [each for each in every.callbacks if isinstance(each, BackupAndRestore)]
    restored = None
    if group.rank == 0:
        for backup in backups:
            if os.path.exists(backup.path):
                with open(backup.path, "rb") as file:
                    restored = file.read()
    restored = group.broadcast(restored)
    if restored is not None and group.rank > 0 and backups:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "training.safetensors")
            with open(path, "wb") as file:
                file.write(restored)
            with safetensors.open_file(path) as opened:
                backups[0].restore(opened)
    place = {
        "epoch": model._initial_epoch,
        "step": model._initial_step,
        "totals": model._initial_totals,
        "stop": bool(model.stop_training),
        "seed": model.seed,
        "history": history.get_state(),
    }
    text = group.broadcast(json.dumps(place).encode())
    assert text is not None
    place = json.loads(text)
    model._initial_epoch, model._initial_step = place["epoch"], place["step"]
    model._initial_totals = [
        (sums, rows, weights, penalty) for sums, rows, weights, penalty in place["totals"]
    ]
    model.stop_training = place["stop"]
    history.set_state(place["history"])
    if model.seed != place["seed"]:
        model.seed = place["seed"]
        model._network_changed()


class SharedRun(Run):
    """One call of `fit`, of which this process makes a part."""

    def __init__(
        self,
        model: "Model",
        sharing: Sharing,
        rows: SharedRows,
        validation: Source | None,
        own_validation: bool,
        arguments: FitArguments,
        listeners: CallbackList,
        names: list[str],
    ) -> None:
        super().__init__(model, None, validation, arguments, listeners, names)
        self._sharing = sharing
        self._rows = rows
        self._own_validation = own_validation
        # Whether what the steps of an epoch added up to may have to be written.
        self._writes = any(isinstance(each, BackupAndRestore) for each in listeners.callbacks)
        self.signals: list[int] = []

    def any(self, value: bool) -> bool:
        """Whether it is true on any rank."""
        group = self._sharing.group
        return value if group.size == 1 else group.total(float(value)) > 0

    def train(self, first: int, epochs: int) -> None:
        """The epochs from `first` to the one before `epochs`."""
        self._epoch = self._first = first
        group = self._sharing.group
        while self._epoch < epochs:
            group.together(self._epoch_begin)
            if not self._one_epoch():
                return

    def solve_shared(self, arguments: FitArguments, first: int) -> None:
        """The same with one iteration of a solver for each epoch."""
        self._epoch = self._first = first
        model, group = self._model, self._sharing.group
        assert model.history is not None
        assert arguments.solver is not None
        method = solvers.get(arguments.solver)
        group.together(lambda: method.check(model._network, model._compiled_loss()))
        (step,) = self._rows.epoch(0, 0)

        def end(trained: list[float], _: list[float]) -> bool:
            self._sharing.check_drift()
            return self._end(trained)

        model.history.message = method.minimize(
            SharedNetwork(self._sharing, step),  # type: ignore[arg-type]
            model._compiled_loss(),
            Data(*step.batch),
            arguments.epochs - first,
            lambda: group.together(self._epoch_begin),
            end,
        )

    def _one_epoch(self) -> bool:
        """Whether training goes on."""
        model, sharing, listeners = self._model, self._sharing, self._listeners
        group, network = sharing.group, sharing.network
        watched = self.any(listeners.listens_to_batches("train"))
        asks = watched and any(map(listeners.listens, ("on_train_batch_end", "on_batch_end")))
        at_once = self.any(asks) or bool(model.metrics)
        # A hook of epochs stops after the epoch, a hook of batches after the batch.
        stopping = model.stop_training
        running_metrics = network.running_metrics()
        done: list[Totals] = []
        count = 0
        ended: BaseException | None = None
        stop = False
        steps = self._rows.epoch(network.epochs, model.seed)
        skipped, totals = model._initial_step, list(model._initial_totals)
        model._initial_step, model._initial_totals = 0, []
        for each in totals:
            network.add_batch(None, None, None, *each, running_metrics)
        while self._rows.steps is None or count < self._rows.steps:
            step, error, sums, outputs = None, ended, [0.0], None
            ended = None
            try:
                step = next(steps, None)
                if step is not None and count >= skipped and error is None:
                    if watched:
                        listeners.on_train_batch_begin(count, {})
                    if model.metrics:
                        shape = (step.rows, model._outputs)
                        outputs = np.full(shape, -0.0, network.parameters.dtype)
                    sums = self._gradient(step, outputs)
            except BaseException as raised:
                error = raised
            if step is None and error is None:
                break
            count += 1
            if error is None and count <= skipped:
                continue
            wants = bool(self.signals) or (model.stop_training and not stopping)
            if sharing.reduce(error, wants):
                stop = True
                break
            assert step is not None
            try:
                penalty = network.shared_update(step.rows, step.weights, self._penalty_weight)
                model._give_back()
            except BaseException as raised:
                ended, penalty = raised, 0.0
            if at_once:
                (one,) = self._add_up([(sums, step.rows, step.weights, penalty)])
                y = weight = None
                if outputs is not None:
                    group.comm.allreduce_(outputs)
                    y, weight = step.targets()
                try:
                    network.add_batch(outputs, y, weight, *one, running_metrics)
                except BaseException as raised:
                    ended = raised
                self._keep(totals, one)
            else:
                done.append((sums, step.rows, step.weights, penalty))
                if len(done) == _STEPS_AT_ONCE:
                    self._add_steps(done, totals, running_metrics)
            if network.steps % STEPS_BETWEEN_CHECKS == 0:
                sharing.check_drift()
            if watched:
                try:
                    listeners.on_train_batch_end(
                        count - 1, self._means(running_metrics) if asks else {}
                    )
                except BaseException as raised:
                    ended = raised
        if count == 0:
            raise ValueError("x: found no batches on any rank, wanted at least one")
        group.raise_any(ended)
        self._add_steps(done, totals, running_metrics)
        if stop and self.any(bool(self.signals)):
            self._leave(count - 1, totals)
        network.epochs += 1
        return self._end(running_metrics.results())

    def _gradient(self, step: Step, outputs: Array | None) -> list[float]:
        share = step.share
        own = None if outputs is None else outputs[share.begin : share.end]
        return self._sharing.gradient(step.batch, share, step.rows, step.weights, own)

    def _add_up(self, done: list[Totals]) -> list[Totals]:
        """Steps' losses, added up over the ranks."""
        if not done:
            return []
        group = self._sharing.group
        sums = np.array([own for own, *_ in done])
        group.settle(sums.size, sums.dtype)
        group.sum_(sums.reshape(-1))
        pairs = zip(sums.tolist(), done, strict=True)
        return [(own, rows, weights, penalty) for own, (_, rows, weights, penalty) in pairs]

    def _add_steps(
        self, done: list[Totals], totals: list[Totals], running_metrics: RunningMetrics
    ) -> None:
        """Move the steps of `done` to the running metrics."""
        for each in self._add_up(done):
            self._sharing.network.add_batch(None, None, None, *each, running_metrics)
            self._keep(totals, each)
        done.clear()

    def _keep(self, totals: list[Totals], one: Totals) -> None:
        if self._writes:
            totals.append(one)

    def _end(self, trained: list[float]) -> bool:
        """The end of an epoch: validation, callbacks; whether training goes on."""
        group = self._sharing.group
        due = (self._epoch + 1) % self._validation_freq == 0
        validated: list[float] = []
        if self._validation is not None and due:
            validated = group.together(self._validate)
            if self._own_validation:
                validated = self._mean_over_ranks(validated)
        going_on = group.together(lambda: self._epoch_end(trained, validated))
        self._sharing.take_settings()  # a callback of one rank may have changed the learning rate
        if self.any(bool(self.signals)):
            self._raise_signal()
        return not self.any(not going_on)

    def _validate(self) -> list[float]:
        assert self._validation is not None
        return evaluate_source(self._model, self._validation, self._listeners)

    def _mean_over_ranks(self, values: list[float]) -> list[float]:
        """Numbers of each rank's own rows, weighted by these."""
        source = self._validation
        rows = float(len(source.data.x)) if isinstance(source, Arrays) else 1.0
        found = self._sharing.group.vector(rows, *(rows * value for value in values))
        return [float(value) for value in found[:, 1:].sum(axis=0) / found[:, 0].sum()]

    def _leave(self, steps: int, before: list[Totals]) -> None:
        """End in the middle of an epoch: with a checkpoint, where there is a callback for it."""

        def write() -> None:
            for callback in self._listeners.callbacks:
                if isinstance(callback, BackupAndRestore):
                    callback.write_within(self._epoch, steps, [list(each) for each in before])

        self._sharing.group.together(write)
        self._raise_signal()

    def _raise_signal(self) -> None:
        """Raise on all ranks what a signal to any of them asks for."""
        group = self._sharing.group
        found = group.vector(float(self.signals[0] if self.signals else 0))[:, 0]
        rank = int(np.flatnonzero(found)[0])
        number = int(found[rank])
        if number == signal.SIGINT:
            raise KeyboardInterrupt(f"rank {rank}: interrupted")
        raise SystemExit(128 + number)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Within the block, SIGINT and SIGTERM are noted, not acted on: all ranks stop together.

    A second one acts as usual. Only the main thread gets signals.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        signal.signal(number, before[number])

    for kind in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(kind)
        usual = (signal.default_int_handler, signal.SIG_DFL)
        if handler in usual:  # a program's own handlers stay
            before[kind] = handler
            signal.signal(kind, note)
    try:
        yield noted
    finally:
        for changed, handler in before.items():
            signal.signal(changed, handler)
