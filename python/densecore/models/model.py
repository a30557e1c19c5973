"""Model: what every model can do, however its layers are connected."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.keras_arrays import as_tensors
from .._base.lazy import imports
from .._base.overriding import overridden
from .._data.row_sources import take
from ..callbacks.history import History
from ..layers.symbols import WhenTrained, are_symbols
from .derivatives import Derivatives
from .nesting import KINDS
from .on_batch import OnBatch
from .own_steps import CALLED, refused
from .serialization import Serializable
from .step_methods import StepMethods
from .whole_buffers import WholeBuffers

# Training and evaluation are imported by the calls that need them: a program that only predicts
# does not pay for them.
if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..solvers import Solver
    from .evaluate import Callbacks


# What subclasses of Keras's models override, and the loop in the core does not call.
_NEVER_CALLED = (
    "predict_step",
    "make_train_function",
    "make_test_function",
    "make_predict_function",
)

_WANTED = (
    "wanted Model(inputs, outputs): x = Input(shape=(features,)), then layers that are called with "
    "x, such as Dense(8)(x); or a class with a method call"
)


def _any_size(batch_size: Any) -> bool:
    """Whether a batch size needs no further check where only hooks of batches would notice it."""
    return batch_size is None or (type(batch_size) is int and batch_size > 0)


class Model(OnBatch, Derivatives, WholeBuffers, Serializable, StepMethods):
    """The base class of all models.

    The classes that it derives from are independent of each other; each adds its calls to a
    compiled network of layers.

    ``Model(inputs, outputs)`` makes a `Functional`, a model of layers that form a graph. A class
    that is derived from it with a method ``call`` becomes one, too; see `Subclassed`.

    Raises
    ------
    TypeError
        It is called without inputs and outputs, or a class is derived from it that has a training
        step of its own.
    """

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        if cls is Model:
            if not (arguments or named):
                raise TypeError(f"Model: found no inputs and outputs; {_WANTED}")
            return super().__new__(KINDS["Functional"])
        return super().__new__(cls)

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if cls.__module__.startswith(f"{__package__.partition('.')[0]}."):
            return
        for method, what in refused(cls, _NEVER_CALLED):
            raise TypeError(
                f"class {cls.__name__}: found a method {method}, {what}; wanted "
                "compute_loss(self, x, y, y_pred, sample_weight), whose gradient is derived; or a "
                "train_step(self, data) that ends with super().train_step((x, y)), or makes the "
                "step: y_pred = self.forward(x), self.backward(gradient of the loss by y_pred), "
                "self.apply_gradients() or self.optimizer.apply(gradients, "
                "self.trainable_variables); see the page on own loops"
            )
        cls._has_own_steps = bool(overridden(cls, CALLED))
        functional, subclassed = KINDS["Functional"], KINDS["Subclassed"]
        described = "call" in vars(cls)
        if Model in cls.__bases__:
            # Without a `call` its constructor gives inputs and outputs.
            kind = subclassed if described else functional
            cls.__bases__ = tuple(kind if base is Model else base for base in cls.__bases__)
            if described:
                cls._default_name = subclassed._name_of(cls)
        elif described and not issubclass(cls, subclassed):
            between = [base for base in cls.__mro__ if functional in base.__bases__]
            if not between or between[-1].__module__.startswith(__package__):
                kind = next(base for base in cls.__mro__ if base.__module__ != cls.__module__)
                raise TypeError(
                    f"class {cls.__name__}: found a method call, which a {kind.__name__} does not "
                    "call, as its layers say what is computed; wanted a subclass of Model"
                )
            for base in between:  # classes that only help those with a `call`
                base.__bases__ = tuple(
                    subclassed if one is functional else one for one in base.__bases__
                )
            cls._default_name = subclassed._name_of(cls)

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: "Callbacks" = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        solver: "str | Solver | None" = None,
        *,
        comm: Any = None,
        chunks: int | None = None,
    ) -> History:
        """Train for a number of epochs; the loop runs in the core, without the GIL.

        Parameters
        ----------
        x : array_like, frame, tensor or sparse matrix (rows, features), or batches
            Used where it lies when it is C-contiguous and of the model's dtype, a file's memory map
            included; converted once otherwise. Rows of sparse matrices, and of maps of another
            dtype, are converted when a batch needs them. It is not searched for NaN. Without `y`: a
            generator or any iterable, or an object with ``len`` and an index, that gives batches
            (x, y) or (x, y, sample_weight). These, as hooks of batches, are trained in a loop in
            Python.
        y : array_like (rows, outputs), or (rows,) class numbers for a sparse loss, optional
            Finite. None where x are batches, or all losses are added by layers.
        batch_size : int, optional
            Rows per step, by default 32. The last batch of an epoch may be smaller.
        epochs : int, default 1
            The epoch to end with: ``epochs - initial_epoch`` are trained.
        verbose : {"auto", 0, 1, 2, "bar"}, default "auto"
            0 silent, 1 a progress line, 2 a line per epoch; "auto" is 1. "bar" is tqdm's bar.
        callbacks : Callback or list of Callback, optional
            See ``densecore.callbacks``. An exception in one ends the training; the model keeps what
            it has learnt.
        validation_split : float, default 0.0
            The share of the last rows (before any shuffling) that is held out.
        validation_data : tuple (x, y) or (x, y, sample_weight), or batches, optional
            Evaluated after each epoch.
        shuffle : bool, default True
            Whether each epoch has an order of its own, which follows from the model's seed. Of
            batches with an index, their order; those of an iterable come as they come.
        class_weight : dict, optional
            Class number → factor of its rows' weights in training, not of those that are held out;
            1 for classes that it does not have.
        sample_weight : array_like (rows,), optional
            By default a batch's loss is the weighted sum over the number of its rows; see
            ``reduction`` of the losses.
        initial_epoch : int, default 0
            Number of the first epoch, for the history and the display.
        steps_per_epoch, validation_steps : int, optional
            Batches of an epoch, or of a validation, when they are not all that there are. The next
            epoch goes on where the one before has ended; a validation starts again.
        validation_batch_size : int, optional
            Matters where a validation goes batch by batch; the same as `batch_size` by default.
        validation_freq : int, default 1
            Validation after every so many epochs.
        solver : {None, "lbfgs", "lm"} or LevenbergMarquardt, default None
            Minimises the loss of all rows at once instead of the optimizer's steps: for small
            problems, best in float64. "lbfgs" is SciPy's L-BFGS; "lm" is Levenberg–Marquardt, for
            the mean squared error, with its own options as ``solvers.LevenbergMarquardt(...)``. An
            epoch is an iteration; `batch_size` and `shuffle` do not matter;
            ``history.message`` says why "lm" stopped. Not for dropout and batch normalisation.
        comm : communicator, optional
            Ranks that train one model together: an mpi4py communicator, a process group of
            torch.distributed, or a `distributed.Comm`. `batch_size` counts the rows of all ranks.
            Where all ranks pass the same rows, each takes a part of every batch, and the parameters
            have the same bits for 1, 2, 4 and 8 ranks (for others they differ by rounding). Where
            they pass different rows, these are parts of one data set: a batch has rows of each in
            proportion, also of very unequal or empty parts. What one rank raises, all raise.
            Callbacks run on every rank with the same numbers; those that write files on rank 0.
        chunks : int, optional
            With `comm`: into how many parts the sum over a batch is cut. By default as one process
            cuts it, and 8 where that does not: networks of more than 65,536 parameters. The bits
            depend on it; more ranks than parts do not help.

        Returns
        -------
        History
            ``history.history["loss"]`` etc.: one number per epoch.

        Raises
        ------
        ValueError, TypeError
            Before anything is trained, naming the argument, what was found and what is wanted.
        KeyboardInterrupt
            On Ctrl-C, within 100 ms: the model keeps what it has learnt so far, and
            ``model.history`` the epochs completed.

        Warns
        -----
        RuntimeWarning
            Once, when the loss of an epoch is not finite.
        UserWarning
            Batches ran out before the last step.
        """
        with imports:
            from . import fit as training

        arguments = training.FitArguments(
            x=x,
            y=y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
            solver=solver,
            comm=comm,
            chunks=chunks,
        )
        if comm is None and not getattr(x, "is_shards", False):
            return training.fit(self, arguments)
        with imports:
            from . import fit_shared

        return fit_shared.fit(self, arguments)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: "Callbacks" = None,
        return_dict: bool = False,
    ) -> Any:  # of a union, every script would have to ask
        """The loss and the metrics on given data, arrays or batches as for `fit`.

        Parameters
        ----------
        x, y, sample_weight
            As for `fit`.
        batch_size : int, optional
            Rows in a batch, for hooks and `steps`. The loss depends on it with the reductions
            ``"sum"`` and, of weighted rows, ``"mean_with_sample_weight"`` only: as in Keras it is
            the mean of the batches' losses, weighted by their rows.
        verbose : {0, 1, 2, "auto", "bar"}, default 0
            Whether to print a line with the numbers.
        steps : int, optional
            Batches to evaluate, when that is not all.
        callbacks : Callback or list of Callback, optional
            Their ``on_test_...`` hooks are called.
        return_dict : bool, default False

        Returns
        -------
        float, list of float, or dict
            As Keras: a number when there are no metrics, else a list in the order of
            ``metrics_names``; a dictionary with `return_dict`.
        """
        plain = isinstance(x, np.ndarray) and y is not None and type(verbose) is int
        plain = plain and not (verbose or steps is not None or callbacks) and _any_size(batch_size)
        by_batch = self.loss is not None and self.loss.depends_on_batches(sample_weight is not None)
        if plain and not by_batch and self._compiled_loss().in_core and not self._penalised:
            # The usual call, without the machinery of hooks.
            data = self._data(x, y, sample_weight)
            with self._network.reserved(reading=True):  # the names belong to the numbers
                values = self._network.evaluate(*data)
                if return_dict:
                    return dict(zip(self.metrics_names, values, strict=True))
            return values if len(values) > 1 else values[0]
        with imports:
            from . import evaluate as evaluation

        return evaluation.evaluate(
            self, x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict
        )

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        steps: int | None = None,
        callbacks: "Callbacks" = None,
    ) -> Array:
        """The outputs (rows, units) for any array-like x (rows, features), or batches of it.

        A row's output has the same bits whatever other rows it comes with: `batch_size` matters to
        `steps` and to the ``on_predict_...`` hooks of `callbacks` only. `verbose` prints a line.
        """
        plain = isinstance(x, np.ndarray) and type(verbose) is int and verbose == 0
        plain = plain and steps is None and not callbacks and _any_size(batch_size)
        if not plain:
            with imports:
                from . import evaluate as evaluation

            outputs: Array = evaluation.predict(self, x, batch_size, verbose, steps, callbacks)
            return outputs
        self._build_for(x)
        return self._shaped(self._network.predict(self._rows(x), None))

    def __call__(self, inputs: Any, training: Any = None, mask: None = None) -> Any:
        """As `predict`: an array, where Keras has a tensor; for symbols those of the outputs: the
        model is then a layer of another one, with the same weights.

        Parameters
        ----------
        inputs : array_like, Symbol, or a structure of them
        training : bool, default False
            Whether units drop out, each time others, and batch normalisation uses the batch's
            statistics. Of symbols it is refused.
        mask : None
            Keras's.

        Raises
        ------
        TypeError
            `training` is true for symbols: fit trains, and predict does not.
        """
        if are_symbols(inputs):
            if not isinstance(training, WhenTrained) and training:
                raise TypeError("training: found True for a symbol, wanted None: fit trains")
            return self._called(inputs)
        if not training:
            return as_tensors(self.predict(inputs))
        self._build_for(inputs)
        outputs = self._network.forward(take(self._rows(inputs), slice(None)), None, True)
        self._give_back()
        return as_tensors(self._shaped(outputs))

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:  # of a union, every script would have to ask
        """As `evaluate`, for rows that are a batch: its arguments of the same names."""
        return self.evaluate(x, y, sample_weight=sample_weight, return_dict=return_dict)

    def summary(
        self,
        line_length: int | Callable[[str], Any] | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers, their output shapes and numbers of parameters, and of a
        graph what each is connected to.

        Parameters
        ----------
        line_length : int, optional
            Columns of the table, when they are more than it needs.
        print_fn : callable, optional
            Gets the table instead of ``print``.
        positions, expand_nested, show_trainable, layer_range
            Accepted for Keras's sake, and without effect: blocks are always shown with their
            layers, and layers that are not trained as such.
        """
        if callable(line_length):  # the first argument of version 0.1
            line_length, print_fn = None, line_length
        if print_fn is not None and not callable(print_fn):
            raise TypeError(f"print_fn: found {checks.shown(print_fn)}, wanted a callable")
        length = checks.optional("line_length", line_length) or 0
        (print_fn or print)(self._summary_text(length))

    # Pictures -----------------------------------------------------------------------------------

    def plot(self, path: str | os.PathLike[str] | None = None) -> "Figure":
        """Draw the network: every unit and connection of a small one, a block per layer otherwise.

        Parameters
        ----------
        path : path, optional
            Where to write the picture; the ending decides the format (.png, .svg, .pdf).

        Returns
        -------
        matplotlib.figure.Figure
            It belongs to no window: notebooks show it, scripts save it.

        Raises
        ------
        ImportError
            matplotlib is not installed; the message names the extra.
        ValueError
            The model has no layers, or the ending is not a picture's.
        """
        with imports:
            from .plot import plot_network

        return plot_network(self, path)

    def _repr_html_(self) -> str:
        with imports:
            from .plot import html_summary

        return html_summary(self)
