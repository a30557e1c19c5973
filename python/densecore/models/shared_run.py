"""The epochs of a `Model.fit` whose batches several ranks share.

Ranks meet at one place of each step, the sum of the gradients. The slots behind the gradients say
whether a rank has raised or wants to stop: then all do, before that step's update.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import solvers
from .._base.dtypes import Array, RunningMetrics
from .._base.warn import warn
from .._data.batches import Source
from .._data.dataset import Data
from ..callbacks.backup import BackupAndRestore
from ..callbacks.base import CallbackList
from .evaluate import evaluate_source
from .fit import FitArguments
from .free_metrics import add_batch
from .run import Run
from .shared_rows import SharedRows, Step
from .shared_solver import SharedNetwork
from .shared_validation import OwnPart
from .sharing import STEPS_BETWEEN_CHECKS, Sharing

if TYPE_CHECKING:  # whose module imports this one
    from .model import Model

# The sums of a step's losses, its rows, what the sums are divided by, the penalty.
Totals = tuple[list[float], int, list[float], float]
#: Losses of so many steps are added up over the ranks at once.
_STEPS_AT_ONCE = 1024


@dataclass
class _Epoch:
    """An epoch of several ranks, as far as it is."""

    watched: bool  # whether a callback of any rank is called at each step
    sets: bool  # whether one is called before each step
    asks: bool  # whether one of this rank is told the means so far
    at_once: bool  # whether each step is added to the running metrics when it is made
    skipped: int  # steps that an earlier `fit` has made already
    running_metrics: RunningMetrics
    totals: list[Totals]  # of all steps so far, for a checkpoint
    done: list[Totals] = field(default_factory=list)  # this rank's, still to be added up
    count: int = 0  # steps so far, the skipped ones among them
    error: BaseException | None = None  # what was raised here since the ranks last met


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
            self._sharing.take_settings()  # a schedule of one rank holds for all
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
        model, sharing = self._model, self._sharing
        group, network = sharing.group, sharing.network
        epoch = self._new_epoch()
        stopped = False
        steps = self._rows.epoch(network.epochs, model.seed)
        while self._rows.steps is None or epoch.count < self._rows.steps:
            # A batch whose hook asks is still trained, and the first one of an epoch in any case.
            asked = model.stop_training and epoch.count > 0
            step, sums, outputs = self._own_part(epoch, steps)
            if step is None and epoch.error is None:
                break
            epoch.count += 1
            if epoch.error is None and epoch.count <= epoch.skipped:
                continue
            error, epoch.error = epoch.error, None
            wants = bool(self.signals) or asked
            if sharing.reduce(error, wants):
                stopped = True
                break
            assert step is not None
            self._end_step(epoch, step, sums, outputs)
        if epoch.count == 0 and self._epoch > self._first:
            warn(f"the data ran out before epoch {self._epoch + 1}: training ends here")
            return False
        if epoch.count == 0:
            raise ValueError("x: found no batches on any rank, wanted at least one")
        group.raise_any(epoch.error)
        self._add_steps(epoch)
        if stopped and self.any(bool(self.signals)):
            self._leave(epoch.count - 1, epoch.totals)
        network.epochs += 1
        return self._end(epoch.running_metrics.results())

    def _new_epoch(self) -> _Epoch:
        """An epoch before its first step, or after those that an earlier `fit` has made of it."""
        model, listeners, network = self._model, self._listeners, self._sharing.network
        watched = self.any(listeners.listens_to_batches("train"))
        asks = watched and any(map(listeners.listens, ("on_train_batch_end", "on_batch_end")))
        begins = watched and any(map(listeners.listens, ("on_train_batch_begin", "on_batch_begin")))
        epoch = _Epoch(
            watched,
            watched and self.any(begins),
            asks,
            at_once=self.any(asks) or bool(model._compiled_metrics),
            skipped=model._initial_step,
            running_metrics=model._bare_running_metrics(),
            totals=list(model._initial_totals),
        )
        model._initial_step, model._initial_totals = 0, []
        for each in epoch.totals:
            add_batch(network, epoch.running_metrics, each, None, None, None)
        return epoch

    def _own_part(
        self, epoch: _Epoch, steps: Iterator[Step]
    ) -> tuple[Step | None, list[float], Array | None]:
        """The next step with this rank's sums of losses and, for metrics, its outputs; its gradient
        is in the network's buffer. What is raised waits in `epoch.error` until the ranks meet."""
        model = self._model
        step, sums, outputs = None, [0.0], None
        try:
            step = next(steps, None)
            if step is not None and epoch.count >= epoch.skipped and epoch.error is None:
                if epoch.watched:
                    self._listeners.on_train_batch_begin(epoch.count, {})
                if model._compiled_metrics:
                    shape = (step.rows, model._outputs)
                    outputs = np.full(shape, -0.0, self._sharing.network.parameters.dtype)
                sums = self._gradient(step, outputs)
        except BaseException as raised:
            epoch.error = raised
        return step, sums, outputs

    def _end_step(
        self, epoch: _Epoch, step: Step, sums: list[float], outputs: Array | None
    ) -> None:
        """The steps after the gradient is that of all ranks: the update, its place in the running
        metrics, the callbacks."""
        sharing, network = self._sharing, self._sharing.network
        if epoch.sets:
            sharing.take_settings()  # a callback of one rank may have changed the learning rate
        try:
            penalty = network.shared_update(step.rows, step.weights, self._penalty_weight)
            self._model._constrain()
        except BaseException as raised:
            epoch.error, penalty = raised, 0.0
        own = (sums, step.rows, step.weights, penalty)
        if epoch.at_once:
            self._add_step(epoch, step, own, outputs)
        else:
            epoch.done.append(own)
            if len(epoch.done) == _STEPS_AT_ONCE:
                self._add_steps(epoch)
        if network.steps % STEPS_BETWEEN_CHECKS == 0:
            sharing.check_drift()
        if epoch.watched:
            try:
                logs = self._means(epoch.running_metrics) if epoch.asks else {}
                self._listeners.on_train_batch_end(epoch.count - 1, logs)
            except BaseException as raised:
                epoch.error = raised
            sharing.take_settings()

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

    def _add_step(self, epoch: _Epoch, step: Step, own: Totals, outputs: Array | None) -> None:
        """Add one step of all ranks, with its outputs unless None, to the running metrics."""
        (whole,) = self._add_up([own])
        y = weight = None
        if outputs is not None:
            self._sharing.group.comm.allreduce_(outputs)
            y, weight = step.targets()
        try:
            network = self._sharing.network
            add_batch(network, epoch.running_metrics, whole, outputs, y, weight)
        except BaseException as raised:
            epoch.error = raised
        self._keep(epoch, whole)

    def _add_steps(self, epoch: _Epoch) -> None:
        """Move the steps of `epoch.done` to the running metrics."""
        for each in self._add_up(epoch.done):
            add_batch(self._sharing.network, epoch.running_metrics, each, None, None, None)
            self._keep(epoch, each)
        epoch.done.clear()

    def _keep(self, epoch: _Epoch, one: Totals) -> None:
        if self._writes:
            epoch.totals.append(one)

    def _end(self, trained: list[float]) -> bool:
        """The end of an epoch: validation, callbacks; whether training goes on."""
        group = self._sharing.group
        due = (self._epoch + 1) % self._validation_freq == 0
        validated: list[float] = []
        if self._validation is not None and due:
            validated = self._validated(self._validation)
        going_on = group.together(lambda: self._epoch_end(trained, validated))
        self._sharing.take_settings()  # a callback of one rank may have changed the learning rate
        if self.any(bool(self.signals)):
            self._raise_signal()
        return not self.any(not going_on)

    def _validated(self, source: Source) -> list[float]:
        """Loss and metrics of the rows to validate on."""
        model, listeners, group = self._model, self._listeners, self._sharing.group
        if not self._own_validation:
            return group.together(lambda: evaluate_source(model, source, listeners))
        return group.together(lambda: OwnPart(model, source, listeners)).of_all_ranks(group)

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
def noted_signals() -> Iterator[list[int]]:
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
