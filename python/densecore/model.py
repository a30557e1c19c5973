"""Sequential: a stack of layers, and everything that one does with it."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import losses, metrics, model_file, optimizers
from ._arrays import as_matrix
from ._data import Data, prepare
from .history import History
from .progress import EpochProgress
from .stack import AnyLayer, Array, Stack


class Sequential(Stack):
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

    Examples
    --------
    >>> import densecore as dc
    >>> model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(1)], seed=0)
    >>> model.count_params()
    49
    """

    def __init__(
        self,
        layers: Sequence[AnyLayer] | None = None,
        *,
        dtype: str = "float32",
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(layers, dtype, seed, name)
        self.metadata: dict[str, Any] = {}
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.history: History | None = None
        self._metric_names: list[str] = []

    @property
    def _compiled(self) -> bool:
        return self.optimizer is not None

    def _build_for(self, x: Any) -> None:
        super()._build_for(x)
        if self._compiled and not self.built:
            self._compile()

    def _network_changed(self) -> None:
        # The hot calls go straight to the core once there is one: a method of Python in between
        # costs as much as a small network's step. `vars` because they stand before the class's,
        # which is also why a subclass's own method must not be hidden by them.
        calls = {"predict_on_batch": "predict", "train_on_batch": "train_on_batch"}
        for name, target in calls.items():
            vars(self).pop(name, None)
            own = getattr(type(self), name) is getattr(Sequential, name)
            if self._network_or_none is not None and own:
                vars(self)[name] = getattr(self._network_or_none, target)

    # Training -----------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "adam",
        loss: str | losses.Loss | losses.LossFunction | None = None,
        metrics: Sequence[str] | None = None,
    ) -> None:
        """Choose what training minimises, and how.

        Parameters
        ----------
        optimizer : str or Optimizer
            See ``densecore.optimizers``. What it has accumulated in an earlier compilation is
            forgotten.
        loss : str or Loss
            See ``densecore.losses``.
        metrics : sequence of str, optional
            Reported besides the loss, see ``densecore.metrics``; for instance ``"accuracy"``.

        Raises
        ------
        ValueError
            An unknown name, or a metric that does not suit the loss.
        """
        if loss is None:
            raise ValueError(f"compile: found no loss, wanted one of {', '.join(losses.names())}")
        if isinstance(metrics, str):
            raise TypeError(f"metrics: found the string {metrics!r}, wanted a list of names")
        before = (self.optimizer, self.loss, self._metric_names)
        try:
            self.optimizer = optimizers.get(optimizer)
            self.loss = losses.get(loss)
            self._metric_names = list(metrics or [])
            if self.built or self._input is not None:
                self._compile()
        except BaseException:
            self.optimizer, self.loss, self._metric_names = before
            raise

    def _compile(self) -> None:
        assert self.optimizer is not None
        assert self.loss is not None
        outputs = self._layers[-1].units if self._layers else 0
        self._network.compile(
            self.loss.name,
            self.loss.reduction,
            self.optimizer._settings,
            [metrics.resolve(name, self.loss.name, outputs) for name in self._metric_names],
            self.seed,
            self.loss.from_logits,
            self.loss._parameters(),
        )

    def _compiled_loss(self) -> losses.Loss:
        if self.loss is None:
            raise RuntimeError(
                "the model is not compiled: call compile(optimizer=..., loss=...) first"
            )
        return self.loss

    @property
    def metrics_names(self) -> list[str]:
        """``"loss"``, then the metrics: the order of `evaluate`'s list."""
        return ["loss", *self._metric_names]

    @property
    def progress(self) -> dict[str, int]:
        """``steps`` and ``epochs`` trained since the model was compiled; empty before."""
        if self.loss is None:
            return {}
        return {"steps": self._network.steps, "epochs": self._network.epochs}

    def _data(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None = None
    ) -> Data:
        """What the core wants of given data; builds the model for it when that is still to do."""
        loss = self._compiled_loss()
        self._build_for(x)
        return prepare(
            x,
            y,
            sample_weight,
            class_weight,
            dtype=self._dtype,
            inputs=self.input_shape[1],
            outputs=loss.target_columns(self.output_shape[1]),
            sparse=loss.sparse,
        )

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        validation_split: float = 0.0,
        validation_data: tuple[Any, ...] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
    ) -> History:
        """Train for a number of epochs; the loop runs in the core, without the GIL.

        Parameters
        ----------
        x : array_like (rows, features)
            Used where it lies when it is a C-contiguous array of the model's dtype; converted once
            otherwise.
        y : array_like (rows, outputs), or (rows,) class numbers for a sparse loss
        batch_size : int, optional
            Rows per step, by default 32. The last batch of an epoch may be smaller.
        epochs : int
            The epoch to end with: ``epochs - initial_epoch`` are trained.
        verbose : {"auto", 0, 1, 2}
            0 silent, 1 a progress line, 2 a line per epoch; "auto" is 1.
        validation_split : float
            The share of the last rows (before any shuffling) that is held out.
        validation_data : tuple (x, y) or (x, y, sample_weight), optional
            Evaluated after each epoch.
        shuffle : bool
            Whether each epoch has an order of its own, which follows from the model's seed.
        class_weight : dict, optional
            Class number → factor of its rows' weights.
        sample_weight : array_like (rows,), optional
            The loss divides by the weights' sum, so integer weights equal repeated rows.
        initial_epoch : int
            Number of the first epoch, for the history and the display.

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
        """
        epochs = _at_least("epochs", epochs, 0)
        initial_epoch = _at_least("initial_epoch", initial_epoch, 0)
        batch_size = 32 if batch_size is None else _at_least("batch_size", batch_size, 1)
        training = self._data(x, y, sample_weight, class_weight)
        validation = None
        if validation_data is not None:
            if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
                raise ValueError("validation_data: wanted (x, y) or (x, y, sample_weight)")
            parts = [*validation_data, None][:3]
            try:
                validation = self._data(parts[0], parts[1], parts[2])
            except (TypeError, ValueError) as error:
                raise type(error)(f"validation_data: {error}") from None
        elif validation_split:
            training, validation = training.split(validation_split)

        names = self.metrics_names
        if validation is not None:
            names = names + ["val_" + name for name in names]
        progress = EpochProgress(epochs, verbose)
        done = initial_epoch

        def epoch_end(trained: list[float], held_out: list[float]) -> bool:
            nonlocal done
            progress(done, dict(zip(names, [*trained, *held_out], strict=True)))
            done += 1
            return True

        results: list[tuple[list[float], list[float]]] = []
        try:
            self._network.fit(
                *training,
                validation,
                max(epochs - initial_epoch, 0),
                batch_size,
                bool(shuffle),
                epoch_end if verbose != 0 else None,
                results,
            )
        finally:
            progress.close()
            rows = [[*trained, *held_out] for trained, held_out in results]
            columns = zip(*rows, strict=True) if rows else ([] for _ in names)
            self.history = History(
                {name: list(column) for name, column in zip(names, columns, strict=True)},
                list(range(initial_epoch, initial_epoch + len(rows))),
                {"epochs": epochs, "batch_size": batch_size, "rows": len(training.x)},
            )
        return self.history

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = 0,
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """The loss and the metrics on given data.

        Returns
        -------
        float, list of float, or dict
            As Keras: a number when there are no metrics, else a list in the order of
            ``metrics_names``; a dictionary with `return_dict`. `batch_size` and `verbose` are
            accepted for Keras's sake and change nothing.
        """
        values = self._network.evaluate(*self._data(x, y, sample_weight))
        if return_dict:
            return dict(zip(self.metrics_names, values, strict=True))
        return values if self._metric_names else values[0]

    def predict(self, x: Any, batch_size: int | None = None, verbose: int | str = 0) -> Array:
        """The outputs (rows, units) for any array-like x (rows, features).

        A row's output has the same bits whatever other rows it comes with; `batch_size` and
        `verbose` are accepted for Keras's sake and change nothing.
        """
        self._build_for(x)
        return self._network.predict(as_matrix("x", x, self._dtype, self.input_shape[1]), None)

    # Loops of one's own -------------------------------------------------------------------------

    def train_on_batch(self, x: Array, y: Array, sample_weight: Array | None = None) -> float:
        """One forward pass, backward pass and update; the arrays are used where they lie.

        Parameters
        ----------
        x : ndarray (rows, features) of the model's dtype, C-contiguous
        y : ndarray (rows, outputs) of the model's dtype, or (rows,) int32 or int64 class numbers
        sample_weight : ndarray (rows,) of the model's dtype, optional

        Returns
        -------
        float
            The loss before the update.

        Raises
        ------
        TypeError, ValueError
            An array that cannot be used without a copy; the message says what is wanted.
        """
        if self._network_or_none is None:
            self._build_for(x)
        return self._network.train_on_batch(x, y, sample_weight)

    def predict_on_batch(self, x: Array, out: Array | None = None) -> Array:
        """The outputs for x, which is used where it lies, into `out` (rows, units) when given.

        Raises
        ------
        TypeError, ValueError
            An array that cannot be used without a copy, or an `out` that overlaps x.
        """
        if self._network_or_none is None:
            self._build_for(x)
        return self._network.predict(x, out)

    def forward(self, x: Array, out: Array | None = None) -> Array:
        """As `predict_on_batch`, and keeps what `backward` needs.

        x is not copied: it must still hold the same numbers when `backward` is called.
        """
        if self._network_or_none is None:
            self._build_for(x)
        return self._network.forward(x, out)

    def backward(self, grad_output: Array, input_gradient: bool = False) -> Array | None:
        """Fill ``model.gradients`` from ∂C/∂output (rows, units) of the last `forward`.

        Returns
        -------
        ndarray (rows, features) or None
            ∂C/∂x, when `input_gradient`.

        Raises
        ------
        RuntimeError
            There was no forward pass, or training or prediction has discarded it.
        """
        return self._network.backward(grad_output, input_gradient)

    def apply_gradients(self) -> None:
        """One optimizer step with ``model.gradients``."""
        self._compiled_loss()
        self._network.apply_gradients()

    # Files --------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Architecture, and how it is compiled, as JSON can hold it: `from_config` reads it."""
        config = super().get_config()
        if self.optimizer is not None and self.loss is not None:
            config["compile"] = {
                "optimizer": self.optimizer.get_config(),
                "loss": self.loss.get_config(),
                "metrics": list(self._metric_names),
            }
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Sequential":
        """A new model, with initial weights, that `get_config` describes.

        Raises
        ------
        ValueError
            The configuration has a missing, unknown or impossible entry.
        """
        try:
            model = cls(dtype=config["dtype"], seed=config["seed"], name=config["name"])
            model._add_from_config(config)
            if "compile" in config:
                compiled = config["compile"]
                model.optimizer = optimizers.get(dict(compiled["optimizer"]))
                model.loss = losses.get(dict(compiled["loss"]))
                for name in compiled["metrics"]:
                    metrics.resolve(name, model.loss.name, model.output_shape[1])
                model._metric_names = list(compiled["metrics"])
        except KeyError as error:
            raise ValueError(f"configuration: found no entry {error}") from None
        except (AttributeError, TypeError, RuntimeError) as error:
            raise ValueError(f"configuration: {error}") from None
        return model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write architecture, parameters, optimizer state, counters and ``metadata`` to one file.

        The format is safetensors: other programs read the tensors, and nothing in it is executed.
        An existing file is replaced in one step or not at all.

        Raises
        ------
        TypeError
            ``metadata`` holds something that JSON cannot.
        OSError
            The file cannot be written; an older one is as it was.
        """
        tensors = self._tensors()
        model_file.write(path, self.get_config(), self.progress, self.metadata, tensors)

    def _tensors(self) -> dict[str, Array]:
        """Every array that a model file holds, as views: saving reads them, loading writes them."""
        tensors = self._parameter_tensors()
        if self.loss is not None:
            for name, state in self._network.optimizer_states().items():
                tensors[f"optimizer.{name}"] = state
        return tensors


def load_model(path: str | os.PathLike[str]) -> Sequential:
    """Read a model that `Sequential.save` wrote; training goes on where it stopped.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not a model, damaged, or written by a newer version; the message says which.
    """
    with model_file.open_model(path) as file:
        try:
            model = Sequential.from_config(file.config)
        except ValueError as error:
            raise ValueError(f"{file.path}: the model is damaged: {error}") from None
        # Every size is confirmed by the file's own before anything is allocated.
        file.check([] if model.optimizer is None else model.optimizer.state_names())
        model._make_parameters()
        if model.loss is not None:
            model._compile()
            model._network.steps = file.progress["steps"]
            model._network.epochs = file.progress["epochs"]
        for name, view in model._tensors().items():
            file.read(name, view)
        model.metadata = file.user
    return model


def _at_least(name: str, value: Any, smallest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}: found {value!r}, wanted an integer")
    if value < smallest:
        raise ValueError(f"{name}: found {value}, wanted at least {smallest}")
    return int(value)
