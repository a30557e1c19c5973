"""The training loops of `Model.fit`.

There are two, and they give the same bits. The core's own goes through all epochs without the GIL,
and calls Python between them only where a callback listens. The other goes through the batches in
Python, for what the core cannot see: hooks of batches, data that comes batch by batch, a loss that
is a function. It calls the parts of the core's loop in the same order.
"""

import math
from typing import TYPE_CHECKING

from .. import solvers
from .._base import core
from .._base.dtypes import RunningMetrics
from .._base.warn import warn
from .._data.batches import Arrays, Source
from ..callbacks.base import CallbackList, Logs
from ..callbacks.history import History
from .evaluate import evaluate_source, evaluates_in_core
from .step import train_batch

if TYPE_CHECKING:  # whose module imports this one
    from .fit import FitArguments
    from .model import Model


class _StopWithinError(Exception):
    """A callback has asked to stop when an epoch began: one more batch is trained, as in Keras."""


class Run:
    """One call of `fit`: what its two loops have in common."""

    def __init__(
        self,
        model: "Model",
        source: Source | None,
        validation: Source | None,
        arguments: "FitArguments",
        listeners: CallbackList,
        names: list[str],
    ) -> None:
        self._model = model
        self._source = source
        self._validation = validation
        self._validation_freq = arguments.validation_freq
        self._penalty_weight = arguments.penalty_weight
        self._listeners = listeners
        self._names = names
        self._warned = False
        self._steps_done = 0  # of the present epoch, in the loop over batches
        self._begun = False  # whether the callbacks know already that the present epoch begins
        self._epoch = self._first = 0
        self.logs: Logs = {}

    def train(self, first: int, epochs: int) -> None:
        """The epochs from `first` to the one before `epochs`."""
        self._epoch = self._first = first
        in_python = self._model._constrained or self._model._penalised
        simple = self._model._compiled_loss().in_core and not in_python
        whole = isinstance(self._source, Arrays) and self._source.whole
        within = self._model._initial_step > 0  # of an epoch that ranks have begun
        if simple and whole and not within and not self._listeners.listens_to_batches("train"):
            try:
                self._train_in_core(max(epochs - first, 0))
            except _StopWithinError:  # the core knows no part of an epoch
                self._begun = True
                self._train_by_batches(epochs)
        else:
            self._train_by_batches(epochs)

    def solve(self, method: solvers.Solver, first: int, epochs: int) -> None:
        """The same with one iteration of a solver for each epoch."""
        self._model._refuse_own_penalties(f"solver={method.name!r}")
        self._epoch = self._first = first
        model, source = self._model, self._source
        assert isinstance(source, Arrays)
        assert model.history is not None
        model.history.message = method.minimize(
            model._network,
            model._compiled_loss(),
            source.data,
            epochs - first,
            self._epoch_begin,
            self._epoch_end,
        )

    def _train_in_core(self, count: int) -> None:
        network, source = self._model._network, self._source
        assert isinstance(source, Arrays)
        held_out = None
        if evaluates_in_core(self._model, self._validation, self._listeners):
            tested = any(self._listeners.listens(f"on_test_{when}") for when in ("begin", "end"))
            if self._validation_freq == 1 and not tested:
                assert isinstance(self._validation, Arrays)
                held_out = self._validation.data
        begins = self._listeners.listens("on_epoch_begin")
        heard = begins or self._listeners.listens("on_epoch_end")
        heard = heard or (self._validation is not None and held_out is None)
        results: list[list[float]] = []
        done = core.RowsDone()
        rows = source.rows or 1
        self._listeners.watch(lambda: done.rows / rows)
        try:
            network.fit(
                *source.data,
                held_out,
                count,
                source.batch_size,
                source.shuffle,
                results,
                self._epoch_begin_in_core if begins else None,
                self._epoch_end if heard else None,
                source.order,
                self._penalty_weight,
                done,
            )
        finally:
            if not heard and results:
                self._note(results)

    def _train_by_batches(self, epochs: int) -> None:
        model, listeners, source = self._model, self._listeners, self._source
        assert source is not None
        network = model._network
        running_metrics = model._running_metrics()
        steps = source.steps
        if steps:
            listeners.watch(lambda: self._steps_done / steps)
        watched = listeners.listens_to_batches("train")
        asks = watched and any(map(listeners.listens, ("on_train_batch_end", "on_batch_end")))
        while self._epoch < epochs:
            if not self._begun:
                self._epoch_begin()
            self._begun = False
            running_metrics.reset()
            count, made = 0, model._initial_step
            self._steps_done = made
            for totals in model._initial_totals:
                network.add_batch(None, None, None, *totals, running_metrics)
            model._initial_step, model._initial_totals = 0, []
            for batch in source.epoch(network.epochs, model.seed):
                if count < made:
                    count += 1
                    continue
                if watched:
                    listeners.on_train_batch_begin(count, {})
                train_batch(model, batch, running_metrics, self._penalty_weight)
                count += 1
                self._steps_done = count
                if watched:
                    listeners.on_train_batch_end(
                        count - 1, self._means(running_metrics) if asks else {}
                    )
                if model.stop_training:
                    break
            if count == 0 and self._first == self._epoch:
                raise ValueError("x: found no batches, wanted at least one")
            if count == 0:
                warn(
                    f"the data ran out before epoch {self._epoch + 1} of {epochs}: training ends "
                    "here",
                )
                return
            network.epochs += 1
            if not self._epoch_end(running_metrics.results(), []):
                return
            if source.exhausted:
                # The source has warned of an epoch with too few steps.
                if source.steps is None and self._epoch < epochs:
                    warn(
                        f"the data ran out after epoch {self._epoch} of {epochs}: training ends "
                        "here"
                    )
                return

    def _means(self, running_metrics: RunningMetrics) -> Logs:
        return dict(zip(self._model.metrics_names, running_metrics.results(), strict=True))

    def _epoch_begin(self) -> None:
        self._listeners.on_epoch_begin(self._epoch, {})

    def _epoch_begin_in_core(self) -> None:
        self._epoch_begin()
        if self._model.stop_training:
            raise _StopWithinError

    def _epoch_end(self, trained: list[float], validated: list[float]) -> bool:
        """Validate where that is still to do, and tell the callbacks; whether training goes on."""
        self._model._give_back()
        due = (self._epoch + 1) % self._validation_freq == 0
        if self._validation is not None and due and not validated:
            validated = evaluate_source(self._model, self._validation, self._listeners)
        values = trained + validated
        self._warn_of(self._epoch, values)
        self.logs = logs = dict(zip(self._names_now(), values, strict=False))
        epoch, self._epoch = self._epoch, self._epoch + 1
        self._listeners.on_epoch_end(epoch, logs)
        return not self._model.stop_training

    def _names_now(self) -> list[str]:
        """The names of the numbers: what a model's own methods return is not known before."""
        if not self._model._has_own_steps:
            return self._names
        names = self._model.metrics_names
        return names + ["val_" + name for name in names]

    def _note(self, columns: list[list[float]]) -> None:
        """Write down epochs that no callback listened to, a list of values for each number.

        All at once: Ctrl-C after a million epochs of a tiny network would wait for them otherwise.
        """
        names, first, count = self._names, self._epoch, len(columns[0])
        losses = [c for name, c in zip(names, columns, strict=True) if name.endswith("loss")]
        bad = [next((i for i, v in enumerate(c) if not math.isfinite(v)), count) for c in losses]
        if min(bad) < count:
            self._warn_of(first + min(bad), [column[min(bad)] for column in columns])
        self.logs = {name: column[-1] for name, column in zip(names, columns, strict=True)}
        self._epoch += count
        history = self._listeners.history
        assert isinstance(history, History)
        history._extend(range(first, self._epoch), names, columns)

    def _warn_of(self, epoch: int, values: list[float]) -> None:
        """Once, of the first epoch whose loss is no finite number."""
        if self._warned:
            return
        for name, value in zip(self._names, values, strict=False):
            if name.endswith("loss") and not math.isfinite(value):
                self._warned = True
                warn(
                    f"epoch {epoch + 1}: {name} is {value}: training has diverged, or the data "
                    "holds such numbers; a smaller learning rate may help",
                    RuntimeWarning,
                )
                return
