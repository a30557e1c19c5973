"""Sequential: a stack of layers, and everything that one does with it."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base.dtypes import Array
from .._base.subnormals import flush_subnormals
from .._data.row_sources import as_rows
from .._saving import model_file
from ..callbacks.history import History
from ..losses.function import CallableLoss
from .serialization import Persistent

# Training and evaluation are imported by the calls that need them: a program that only predicts
# does not pay for them.
if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..solvers.levenberg_marquardt import LevenbergMarquardt
    from .evaluate import Callbacks


# What subclasses of Keras's models override.
_NEVER_CALLED = ("call", "train_step", "test_step", "predict_step", "compute_loss")


class Sequential(Persistent):
    """A feed-forward network: layers one after another.

    Parameters
    ----------
    layers : sequence of Input and Dense, optional
        ``Input`` may stand first; without it the number of inputs is that of the first data.
    dtype : {"float32", "float64"}
        Of parameters and computations.
    seed : int, optional
        Fixes initial weights and shuffles. By default a fresh one is drawn, to be found in
        ``model.seed``.
    name : str, optional

    Attributes
    ----------
    layers : list of Dense
    metadata : dict
        Yours: anything that JSON can hold is saved with the model and restored by ``load_model``.
    optimizer, loss
        As compiled; None before. The optimizer's settings may be changed at any time.
    history : History or None
        Of the last call of ``fit``.
    stop_training : bool
        Set by callbacks, or by whoever else, to end ``fit`` after the current epoch.

    Examples
    --------
    >>> import densecore as dc
    >>> model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(1)], seed=0)
    >>> model.count_params()
    49
    """

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        for method in _NEVER_CALLED:
            if method in vars(cls):
                raise TypeError(
                    f"class {cls.__name__}: found a method {method}, which the loop in the core "
                    "does not call; train_on_batch, forward, backward and apply_gradients make "
                    "loops of one's own"
                )

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
        solver: "str | LevenbergMarquardt | None" = None,
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
        y : array_like (rows, outputs), or (rows,) class numbers for a sparse loss
            Finite.
        batch_size : int, optional
            Rows per step, by default 32. The last batch of an epoch may be smaller.
        epochs : int
            The epoch to end with: ``epochs - initial_epoch`` are trained.
        verbose : {"auto", 0, 1, 2, "bar"}
            0 silent, 1 a progress line, 2 a line per epoch; "auto" is 1. "bar" is tqdm's bar.
        callbacks : Callback or list of Callback, optional
            See ``densecore.callbacks``. An exception in one ends the training; the model keeps what
            it has learnt.
        validation_split : float
            The share of the last rows (before any shuffling) that is held out.
        validation_data : tuple (x, y) or (x, y, sample_weight), or batches, optional
            Evaluated after each epoch.
        shuffle : bool
            Whether each epoch has an order of its own, which follows from the model's seed. Of
            batches with an index, their order; those of an iterable come as they come.
        class_weight : dict, optional
            Class number → factor of its rows' weights.
        sample_weight : array_like (rows,), optional
            The loss divides by the weights' sum, so integer weights equal repeated rows.
        initial_epoch : int
            Number of the first epoch, for the history and the display.
        steps_per_epoch, validation_steps : int, optional
            Batches of an epoch, or of a validation, when they are not all that there are.
        validation_batch_size : int, optional
            Matters where a validation goes batch by batch; the same as `batch_size` by default.
        validation_freq : int
            Validation after every so many epochs.
        solver : {None, "lbfgs", "lm"} or LevenbergMarquardt
            Minimises the loss of all rows at once instead of the optimizer's steps: for small
            problems, best in float64. "lbfgs" is SciPy's L-BFGS; "lm" is Levenberg–Marquardt, for
            the mean squared error, with its own options as ``solvers.LevenbergMarquardt(...)``. An
            epoch is an iteration; `batch_size` and `shuffle` do not matter;
            ``history.message`` says why "lm" stopped. Not for dropout and batch normalisation.

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
        from . import fit as training

        return training.fit(
            self,
            x,
            y,
            batch_size,
            epochs,
            verbose,
            callbacks,
            validation_split,
            validation_data,
            shuffle,
            class_weight,
            sample_weight,
            initial_epoch,
            steps_per_epoch,
            validation_steps,
            validation_batch_size,
            validation_freq,
            solver,
        )

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
    ) -> float | list[float] | dict[str, float]:
        """The loss and the metrics on given data, arrays or batches as for `fit`.

        Parameters
        ----------
        batch_size : int, optional
            Of hooks of batches and `steps`; the numbers depend on it in their last digit at most.
        verbose : {0, 1, 2, "auto", "bar"}
            Whether to print a line with the numbers.
        steps : int, optional
            Batches to evaluate, when that is not all.
        callbacks : Callback or list of Callback, optional
            Their ``on_test_...`` hooks are called.
        return_dict : bool

        Returns
        -------
        float, list of float, or dict
            As Keras: a number when there are no metrics, else a list in the order of
            ``metrics_names``; a dictionary with `return_dict`.
        """
        plain = isinstance(x, np.ndarray) and y is not None and not (verbose or steps or callbacks)
        if plain and not isinstance(self.loss, CallableLoss):
            # The usual call, without the machinery of hooks.
            values = self._network.evaluate(*self._data(x, y, sample_weight))
            if return_dict:
                return dict(zip(self.metrics_names, values, strict=True))
            return values if len(values) > 1 else values[0]
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
        plain = isinstance(x, np.ndarray) and not (batch_size or verbose or steps or callbacks)
        if not plain:
            from . import evaluate as evaluation

            outputs: Array = evaluation.predict(self, x, batch_size, verbose, steps, callbacks)
            return outputs
        self._build_for(x)
        return self._network.predict(
            as_rows("x", x, self._dtype, self._inputs, flatten=self._flattens), None
        )

    def __call__(self, inputs: Any, training: bool | None = None) -> Array:
        """As `predict`: an array, where Keras has a tensor.

        Raises
        ------
        TypeError
            `training` is true.
        """
        if training:
            raise TypeError(
                "training: found True, wanted False or None: forward(x, training=True) is what "
                "computes with dropout and the batch's own statistics"
            )
        return self.predict(inputs)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """As `evaluate`, for rows that are a batch."""
        return self.evaluate(x, y, sample_weight=sample_weight, return_dict=return_dict)

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
        from .plot import plot_network

        return plot_network(self, path)

    def _repr_html_(self) -> str:
        from .plot import html_summary

        return html_summary(self)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Sequential:
    """Read a model that `Sequential.save` wrote; training goes on where it stopped.

    Parameters
    ----------
    filepath : path
    custom_objects : None
        For Keras's sake: no file holds anything of one's own.
    compile : bool
        Whether the model is compiled, as it was; without, its optimizer's state is not read.
    safe_mode : bool
        Accepted for Keras's sake, and without effect: nothing in a file is ever executed.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not a model, damaged, or written by a newer version; the message says which.
    """
    if custom_objects:
        raise TypeError(
            f"custom_objects: found {', '.join(custom_objects)}, wanted None: no file holds "
            "anything of one's own; compile the model with it after loading"
        )
    with model_file.open_model(filepath) as file:
        try:
            model = Sequential.from_config(file.config)
        except ValueError as error:
            raise ValueError(f"{file.path}: the model is damaged: {error}") from None
        # Every size is confirmed by the file's own before anything is allocated.
        if file.config["inputs"] is None or not file.config["layers"]:
            raise ValueError(f"{file.path}: the model is damaged: it has no layers or no inputs")
        file.check(model._expected_tensors())
        if not compile:
            stack = {key: value for key, value in file.config.items() if key != "compile"}
            model = Sequential.from_config(stack)
        model._make_parameters()
        if model.loss is not None:
            model._compile()
            model._network.steps = file.progress["steps"]
            model._network.epochs = file.progress["epochs"]
        for name, view in model._tensors().items():
            file.read(name, view)
            flush_subnormals(view)
        model.metadata = file.user
    return model
