"""`Model.fit` around its epochs: arguments, sources of rows, callbacks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import solvers
from .._base import checks
from .._base.dtypes import Array
from .._data.batches import Arrays, Passes, Source, are_batches
from ..callbacks.base import CallbackList
from ..callbacks.history import History
from ..callbacks.progress import ProgressBar, check_verbose
from .compiled import fitting
from .evaluate import (
    Callbacks,
    Prepare,
    batches_of,
    refuse_with_batches,
    validation_source,
)
from .run import Run

if TYPE_CHECKING:  # whose module imports this one
    from .model import Model


@dataclass
class FitArguments:
    """The arguments of `Model.fit`, which documents them; and three that the estimators use.

    Attributes
    ----------
    same_rows : bool
        Whether ranks (`comm`) must all have the same rows.
    row_order : ndarray (rows,) of int64, optional
        The order of the rows in each epoch, in place of one that follows from the seed: read anew
        when an epoch begins, so that a callback may write the next one there.
    penalty_weight : float
        When it is > 0, each batch's penalties are multiplied by this over the batch's weight.
    """

    x: Any
    y: Any = None
    batch_size: int | None = None
    epochs: int = 1
    verbose: int | str = "auto"
    callbacks: Callbacks = None
    validation_split: float = 0.0
    validation_data: Any = None
    shuffle: bool = True
    class_weight: Mapping[int, float] | None = None
    sample_weight: Any = None
    initial_epoch: int = 0
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_batch_size: int | None = None
    validation_freq: int = 1
    solver: str | solvers.Solver | None = None
    comm: Any = None
    chunks: int | None = None
    same_rows: bool = False
    row_order: Array | None = None
    penalty_weight: float = 0.0

    def __post_init__(self) -> None:
        self.epochs = checks.integer("epochs", self.epochs, 0)
        self.initial_epoch = checks.integer("initial_epoch", self.initial_epoch, 0)
        self.batch_size = checks.optional("batch_size", self.batch_size)
        self.steps_per_epoch = checks.optional("steps_per_epoch", self.steps_per_epoch)
        self.validation_steps = checks.optional("validation_steps", self.validation_steps)
        self.validation_batch_size = checks.optional(
            "validation_batch_size", self.validation_batch_size
        )
        self.validation_freq = checks.integer("validation_freq", self.validation_freq, 1)
        self.validation_split = checks.number(
            "validation_split", self.validation_split, least=0, below=1
        )
        self.shuffle = checks.flag("shuffle", self.shuffle)
        check_verbose(self.verbose)

    @property
    def rows_per_step(self) -> int:
        """`batch_size`, or its default."""
        return checks.batch_size(self.batch_size)


def fit(model: "Model", arguments: FitArguments) -> History:
    """`Model.fit`, which documents it."""
    method = None
    if arguments.solver is not None:
        method = solvers.get(arguments.solver)
        solvers.check_layers(method, model._compiled_loss(), model._all_layers())
        if model._input_row is not None:
            method.check(model._network, model._compiled_loss())
    source, validation = sources_of(model, arguments)
    with model._network.reserved():  # another thread must not compile it anew, nor train
        return _fit(model, arguments, method, source, validation)


def params_of(
    model: "Model",
    arguments: FitArguments,
    steps: int | None,
    rows: int | None,
    batch_size: int | None,
    validates: bool,
) -> dict[str, Any]:
    """`History.params` of a training with so many steps and rows in an epoch, if they are known."""
    names = model.metrics_names
    if validates:
        names = names + ["val_" + name for name in names]
    return {
        "verbose": arguments.verbose,
        "epochs": arguments.epochs,
        "steps": steps,
        "batch_size": batch_size,
        "rows": rows,
        "metrics": names,
        "validation_freq": arguments.validation_freq,
    }


def begin(model: "Model", arguments: FitArguments, listeners: CallbackList) -> History:
    """The history of a new training, and the model's attributes when one begins."""
    history = History(params=listeners.params)
    history.directions = model._directions
    listeners.history = model.history = history
    history.model = model
    model.stop_training = False
    model._initial_epoch = arguments.initial_epoch
    model._initial_step, model._initial_totals = 0, []
    return history


def _fit(
    model: "Model",
    arguments: FitArguments,
    method: solvers.Solver | None,
    source: Source,
    validation: Source | None,
) -> History:
    size = source.batch_size if isinstance(source, Arrays) else None
    params = params_of(model, arguments, source.steps, source.rows, size, validation is not None)
    listeners = listeners_of(model, arguments, params)
    history = begin(model, arguments, listeners)
    run = Run(model, source, validation, arguments, listeners, params["metrics"])
    network = model._network
    try:
        history.on_train_begin()
        with fitting(model):
            listeners.on_train_begin({})
            if not model.stop_training:
                if method is None:
                    run.train(model._initial_epoch, arguments.epochs)
                else:
                    run.solve(method, model._initial_epoch, arguments.epochs)
        network.finish_training()
        model._give_back()
        listeners.on_train_end(run.logs)
    finally:
        listeners.release()
        listeners.watch(None)
    return history


def sources_of(
    model: "Model", arguments: FitArguments, prepare: Prepare | None = None
) -> tuple[Source, Source | None]:
    """The batches of training and of validation; builds the model for them.

    `prepare` converts the data of training, in place of `Compiled._data`.
    """
    prepare = prepare or model._data
    size = arguments.rows_per_step
    validation_size = arguments.validation_batch_size or size
    source: Source
    validation: Source | None = None
    if arguments.y is None and are_batches(arguments.x):
        if arguments.solver is not None:
            name = solvers.get(arguments.solver).name
            raise ValueError(f"solver='{name}': found batches, wanted all rows at once")
        refuse_with_batches(
            batch_size=arguments.batch_size,
            sample_weight=arguments.sample_weight,
            validation_split=arguments.validation_split or None,
        )
        source = batches_of(
            model,
            arguments.x,
            arguments.shuffle,
            arguments.steps_per_epoch,
            arguments.class_weight,
            prepare,
        )
    else:
        training = prepare(
            arguments.x, arguments.y, arguments.sample_weight, arguments.class_weight
        )
        if arguments.validation_data is None and arguments.validation_split:
            training, held_out = training.split(arguments.validation_split)
            if arguments.class_weight is not None:  # as in Keras it counts in training only
                plain = prepare(arguments.x, arguments.y, arguments.sample_weight, None)
                _, unweighted = plain.split(arguments.validation_split)
                held_out = held_out._replace(weight=unweighted.weight)
            validation = Arrays(held_out, validation_size, False, arguments.validation_steps)
        # Ranks may have parts of the rows: how many batches there are, they find out together.
        steps = arguments.steps_per_epoch if arguments.comm is None else None
        source = Arrays(training, size, arguments.shuffle, steps)
        source.order = arguments.row_order
    if isinstance(source, Passes):
        source.began = model._network.epochs
    if arguments.validation_data is not None:
        validation = validation_source(
            model, arguments.validation_data, validation_size, arguments.validation_steps, prepare
        )
    return source, validation


def listeners_of(model: "Model", arguments: FitArguments, params: dict[str, Any]) -> CallbackList:
    """The callbacks, with a progress bar if there is none and one is wanted."""
    listeners = CallbackList(arguments.callbacks, model, **params)
    wanted = arguments.verbose != 0
    if wanted and not any(isinstance(c, ProgressBar) for c in listeners.callbacks):
        bar = ProgressBar(arguments.verbose)
        bar.set_params(params)
        bar.set_model(model)
        listeners.append(bar)
    return listeners
