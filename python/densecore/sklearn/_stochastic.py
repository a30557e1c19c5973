"""Training in batches, for as long as the scores improve: "adam", "sgd" and the others."""

import copy
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from .._base.warn import warn
from ..callbacks import Callback, TimeLimit
from ..callbacks.base import Logs
from ..models import fit_shared
from ..models.fit import FitArguments, fit
from ._build import optimizer, set_penalty
from ._early_stopping import Convergence
from ._parameters import Parameters
from ._training import Training


class RowOrder(Callback):
    """The order of the rows in each epoch: scikit-learn's, for the same random state.

    Attributes
    ----------
    rows : ndarray of int64
        Numbers of rows, which the core reads in each epoch. Each epoch's are those of the last
        one, shuffled.
    """

    def __init__(self, rows: int, random_state: np.random.RandomState) -> None:
        super().__init__()
        self._random_state = random_state
        self.rows = np.arange(rows, dtype=np.int64)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Shuffle."""
        order = np.arange(len(self.rows))
        self._random_state.shuffle(order)
        self.rows[...] = self.rows[order]


def fit_batches(training: Training) -> None:
    """Train for ``max_iter`` epochs, or one; reports curves and scores."""
    parameters, model, objective = training.estimator, training.model, training.objective
    record, weights = training.record, training.samples.weights
    X = training.samples.X
    rows = X.shape[0]
    batch = _batch_rows(parameters, rows)
    # Each batch's weight divides its penalty; this is that of a mean batch.
    weight = batch * (1.0 if weights is None else float(np.mean(weights)))
    penalty = float(parameters.alpha) / 2 / weight  # NumPy's scalars would round it
    set_penalty(model, penalty / objective.scale)
    goes_on = training.incremental or parameters.warm_start == "solver"
    other = model.optimizer is None or type(model.optimizer).name != parameters._solver_name
    if other or not goes_on:
        model.seed = _seed(parameters)
        model.compile(optimizer(parameters, objective.scale), objective.loss)
    # The mean over the rows counts every batch's penalty as often as the batch has rows.
    convergence = Convergence(training, penalty * -(-rows // batch) * batch / rows)
    record.n_iter_ = 0
    # One batch is the same in any order but for its last digits. A generator that others draw from
    # is left where scikit-learn leaves it.
    order = None
    shuffle = bool(parameters.shuffle) and batch < rows
    if parameters.shuffle and (shuffle or not isinstance(parameters.random_state, Integral)):
        order = RowOrder(rows, training.random_state)
    listens = training.callbacks or training.context is not None or parameters.verbose == "bar"
    listens = listens or training.comm is not None
    try:
        if training.incremental and batch == rows and not listens and type(X) is np.ndarray:
            _one_step(training, convergence, order)
        else:
            _epochs(training, convergence, order, batch, weight)
    except KeyboardInterrupt:
        training.stopped = True
        warn("Training interrupted by user.")
    convergence.finish()


def _epochs(
    training: Training, convergence: Convergence, order: RowOrder | None, batch: int, weight: float
) -> None:
    parameters, samples = training.estimator, training.samples
    # Convergence comes first, as it sets the losses that the others see.
    listeners: list[Callback] = [convergence, *training.callbacks]
    if parameters.time_budget is not None:
        listeners.append(TimeLimit(parameters.time_budget))
    listeners += [each for each in (training.context, order) if each is not None]
    several = batch < samples.X.shape[0]
    shuffle = bool(parameters.shuffle) and several
    train = fit if training.comm is None else fit_shared.fit
    train(
        training.model,
        FitArguments(
            samples.X,
            samples.targets,
            batch_size=batch,
            epochs=1 if training.incremental else parameters.max_iter,
            verbose="bar" if parameters.verbose == "bar" else 0,
            callbacks=listeners,
            shuffle=shuffle,
            sample_weight=samples.weights,
            comm=training.comm,
            same_rows=True,
            row_order=order.rows if order is not None and shuffle else None,
            penalty_weight=weight if several else 0.0,
        ),
    )


def _one_step(training: Training, convergence: Convergence, order: RowOrder | None) -> None:
    """An epoch of one batch: the same step as that of `_epochs`, without what surrounds it there,
    which would cost a ``partial_fit`` of a small network ten times as much as the step."""
    model = training.model
    x, _, targets, weights = training.samples
    dtype = model.parameters.dtype
    if targets.dtype.kind == "f":
        targets = np.ascontiguousarray(targets, dtype)
    if weights is not None:
        weights = np.ascontiguousarray(weights, dtype)
    if order is not None:
        order.on_epoch_begin(0)
    loss = model.train_on_batch(np.ascontiguousarray(x, dtype), targets, weights)
    if weights is not None and isinstance(loss, float):
        loss = len(x) * loss / len(x)  # rounded as the mean of an epoch's batches by their rows
    model._network.epochs += 1
    convergence.on_epoch_end(0, {"loss": loss})


def _batch_rows(parameters: Parameters, rows: int) -> int:
    if isinstance(parameters.batch_size, str):  # "auto"
        return min(200, rows)
    return int(min(parameters.batch_size, rows))


def _seed(parameters: Parameters) -> int:
    """The seed of the core's own random numbers, such as masks of dropout.

    It is drawn from a copy: the random state's own numbers are scikit-learn's.
    """
    if isinstance(parameters.random_state, Integral):
        return int(parameters.random_state)
    state = copy.deepcopy(check_random_state(parameters.random_state))
    return int(state.randint(np.iinfo(np.int32).max))
