"""What `Sequential.fit` does around the core.

Two loops, one training. The core's own goes through all epochs without the GIL, and calls Python
between them only where somebody listens. The other goes through the batches in Python, for what the
core cannot see: hooks of batches, data that comes batch by batch, a loss that is a function. It
calls what the core's loop is made of, in the same order: the bits are the same.
"""

import math
from collections.abc import Mapping
from typing import Any

from .. import solvers
from .._base import checks
from .._base.warn import warn
from .._data.batches import Arrays, Source, are_batches
from .._data.dataset import Data
from ..callbacks.base import CallbackList, Logs
from ..callbacks.history import History
from ..callbacks.progress import ProgressBar, check_verbose
from ..losses.function import CallableLoss
from ..solvers.levenberg_marquardt import LevenbergMarquardt
from .evaluate import (
    Callbacks,
    Model,
    batches_of,
    evaluate_source,
    evaluates_in_core,
    refuse_weight,
    refuse_weights,
    refuse_with_batches,
    validation_source,
)


def fit(
    model: Model,
    x: Any,
    y: Any,
    batch_size: int | None,
    epochs: int,
    verbose: int | str,
    callbacks: Callbacks,
    validation_split: float,
    validation_data: Any,
    shuffle: bool,
    class_weight: Mapping[int, float] | None,
    sample_weight: Any,
    initial_epoch: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_batch_size: int | None,
    validation_freq: int,
    solver: str | LevenbergMarquardt | None = None,
) -> History:
    """`Sequential.fit`, which documents it."""
    solve = None
    if solver is not None:
        model._compiled_loss()
        solve = solvers.resolve(model, solver)
    epochs = checks.integer("epochs", epochs, 0)
    initial_epoch = checks.integer("initial_epoch", initial_epoch, 0)
    steps_per_epoch = checks.optional("steps_per_epoch", steps_per_epoch)
    validation_steps = checks.optional("validation_steps", validation_steps)
    validation_freq = checks.integer("validation_freq", validation_freq, 1)
    size = min(checks.optional("batch_size", batch_size) or 32, 2**62)  # as the core counts
    validation_size = checks.optional("validation_batch_size", validation_batch_size) or size
    check_verbose(verbose)
    source: Source
    validation: Source | None = None
    if y is None and are_batches(x):
        if solver is not None:
            name = solver if isinstance(solver, str) else solver.name
            raise ValueError(f"solver='{name}': found batches, wanted all rows at once")
        refuse_with_batches(
            batch_size=batch_size,
            sample_weight=sample_weight,
            validation_split=validation_split or None,
        )
        source = batches_of(model, x, shuffle, steps_per_epoch, class_weight)
    else:
        training = model._data(x, y, sample_weight, class_weight)
        if validation_data is None and validation_split:
            training, held_out = training.split(validation_split)
            validation = Arrays(held_out, validation_size, False, validation_steps)
        source = Arrays(training, size, bool(shuffle), steps_per_epoch)
        source.order = model._network.row_order
    if validation_data is not None:
        validation = validation_source(model, validation_data, validation_size, validation_steps)
    refuse_weights(model, source, validation)

    names = model.metrics_names
    if validation is not None:
        names = names + ["val_" + name for name in names]
    params = {
        "verbose": verbose,
        "epochs": epochs,
        "steps": source.steps,
        "batch_size": size if isinstance(source, Arrays) else None,
        "rows": source.rows,
        "metrics": names,
        "validation_freq": validation_freq,
    }
    listeners = CallbackList(callbacks, model, **params)
    if verbose != 0 and not any(isinstance(c, ProgressBar) for c in listeners.callbacks):
        bar = ProgressBar(verbose)
        bar.set_params(params)
        bar.set_model(model)
        listeners.append(bar)
    history = History(params=params)
    history.directions = model._directions
    listeners.history = model.history = history
    model.stop_training = False
    model._initial_epoch = initial_epoch
    run = _Run(model, source, validation, validation_freq, listeners, names)
    try:
        history.on_train_begin()
        listeners.on_train_begin({})
        if not model.stop_training:
            if solve is None:
                run.train(model._initial_epoch, epochs)
            else:
                run.solve(solve, model._initial_epoch, epochs)
        model._network.finish_training()
        listeners.on_train_end(run.logs)
    finally:
        listeners.release()
    return history


class _Run:
    """One call of `fit`: what its two loops have in common."""

    def __init__(
        self,
        model: Model,
        source: Source,
        validation: Source | None,
        validation_freq: int,
        listeners: CallbackList,
        names: list[str],
    ) -> None:
        self._model = model
        self._source = source
        self._validation = validation
        self._validation_freq = validation_freq
        self._listeners = listeners
        self._names = names
        self._warned = False
        self._epoch = self._first = 0
        self.logs: Logs = {}

    def train(self, first: int, epochs: int) -> None:
        """The epochs from `first` to the one before `epochs`."""
        self._epoch = self._first = first
        simple = not isinstance(self._model.loss, CallableLoss)
        whole = isinstance(self._source, Arrays) and self._source.whole
        if simple and whole and not self._listeners.listens_to_batches("train"):
            self._train_in_core(max(epochs - first, 0))
        else:
            self._train_by_batches(epochs)

    def solve(self, solve: solvers.Run, first: int, epochs: int) -> None:
        """The same with one iteration of a solver for each epoch."""
        self._epoch = self._first = first
        assert isinstance(self._source, Arrays)
        solve(self._model, self._source.data, epochs - first, self._epoch_begin, self._epoch_end)

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
        before = network.epochs
        first = self._epoch

        def warn_only(trained: list[float], validated: list[float]) -> bool:
            self._warn_of(first + network.epochs - before - 1, trained + validated)
            return True

        results: list[tuple[list[float], list[float]]] = []
        try:
            network.fit(
                *source.data,
                held_out,
                count,
                source.batch_size,
                source.shuffle,
                self._epoch_end if heard else warn_only,
                results,
                self._epoch_begin if begins else None,
                heard,
            )
        finally:
            if not heard:
                for trained, validated in results:
                    self._note(trained + validated)

    def _train_by_batches(self, epochs: int) -> None:
        model, listeners, source = self._model, self._listeners, self._source
        network = model._network
        tally = network.tally()
        watched = listeners.listens_to_batches("train")
        asks = watched and any(map(listeners.listens, ("on_train_batch_end", "on_batch_end")))
        while self._epoch < epochs:
            self._epoch_begin()
            # A hook of epochs stops after the epoch, a hook of batches after the batch.
            stopping = model.stop_training
            tally.reset()
            count = 0
            for batch in source.epoch(network.epochs, model.seed):
                if watched:
                    listeners.on_train_batch_begin(count, {})
                _train_batch(model, batch, tally)
                count += 1
                if watched:
                    listeners.on_train_batch_end(count - 1, self._means(tally) if asks else {})
                if model.stop_training and not stopping:
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
            if not self._epoch_end(tally.results(), []):
                return
            if source.exhausted:
                # Of an epoch with too few steps the source has warned itself.
                if source.steps is None and self._epoch < epochs:
                    warn(
                        f"the data ran out after epoch {self._epoch} of {epochs}: training ends "
                        "here"
                    )
                return

    def _means(self, tally: Any) -> Logs:
        return dict(zip(self._model.metrics_names, tally.results(), strict=True))

    def _epoch_begin(self) -> None:
        self._listeners.on_epoch_begin(self._epoch, {})

    def _epoch_end(self, trained: list[float], validated: list[float]) -> bool:
        """Validate where that is still to do, and tell the callbacks; whether training goes on."""
        due = (self._epoch + 1) % self._validation_freq == 0
        if self._validation is not None and due and not validated:
            validated = evaluate_source(self._model, self._validation, self._listeners)
        values = trained + validated
        self._warn_of(self._epoch, values)
        self.logs = logs = dict(zip(self._names, values, strict=False))
        epoch, self._epoch = self._epoch, self._epoch + 1
        self._listeners.on_epoch_end(epoch, logs)
        return not self._model.stop_training

    def _note(self, values: list[float]) -> None:
        """Writes down an epoch that nobody listened to."""
        self.logs = dict(zip(self._names, values, strict=True))
        assert self._listeners.history is not None
        self._listeners.history.on_epoch_end(self._epoch, self.logs)
        self._epoch += 1

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


def _train_batch(model: Model, batch: Data, tally: Any) -> None:
    network = model._network
    if isinstance(model.loss, CallableLoss):
        custom_step(model, batch, tally)
    else:
        network.train_batch(*batch, tally)


def custom_step(model: Model, batch: Data, tally: Any | None) -> float:
    """One step with a loss that is a function; returns its loss before the update."""
    refuse_weight(model, batch.weight)
    network = model._network
    outputs = network.forward(batch.x, None, True, step=network.steps)
    penalty = float(network.penalty())
    loss, gradient = model.loss.compute(batch.y, outputs)
    network.backward(gradient, False)
    network.apply_gradients()
    if tally is not None:
        network.add_to_tally(outputs, batch.y, loss + penalty, tally)
    return float(loss) + penalty


def train_on_batch(model: Model, batch: Data) -> float | list[float]:
    """`Sequential.train_on_batch` for what the core's own call does not do."""
    tally = model._network.tally()
    _train_batch(model, batch, tally)
    values: list[float] = tally.results()
    return values if len(values) > 1 else values[0]
