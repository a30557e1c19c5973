"""Sequential: a stack of layers, and everything that one does with it."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, losses, metrics, model_file, optimizers
from ._custom_loss import CallableLoss, Function, custom_loss
from ._data import Data, prepare
from ._rows import as_rows, take
from .history import History
from .metrics import get_all
from .stack import AnyLayer, Array, Stack

# Training and evaluation are imported by the calls that need them: a program that only predicts
# does not pay for them.
if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .evaluation import Callbacks


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
    stop_training : bool
        Set by callbacks, or by whoever else, to end ``fit`` after the current epoch.

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
        self.metadata: dict[str, Any] = {}
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.history: History | None = None
        self._metrics: list[metrics.Metric] = []
        self._weighted_metrics: list[metrics.Metric] = []
        self.stop_training = False
        self._initial_epoch = 0  # of the current `fit`; what a callback restores may change it
        super().__init__(layers, dtype, seed, name)  # last, as it may build

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
            if name == "train_on_batch" and not self._trains_in_core:
                own = False
            if self._network_or_none is not None and own:
                vars(self)[name] = getattr(self._network_or_none, target)

    # Training -----------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "adam",
        loss: str | losses.Loss | Function | None = None,
        metrics: Sequence[Any] | None = None,
        weighted_metrics: Sequence[Any] | None = None,
        *,
        loss_weights: None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose what training minimises, and how.

        Parameters
        ----------
        optimizer : str or Optimizer
            See ``densecore.optimizers``. What it has accumulated in an earlier compilation is
            forgotten.
        loss : str, Loss or callable
            See ``densecore.losses``. A function ``(y_true, y_pred) -> (loss, gradient)`` on arrays,
            with the batch's mean loss and its derivative by y_pred, trains slowly, batch by batch
            in Python; it takes no sample weights, and a file does not keep it: the model is loaded
            uncompiled.
        metrics : sequence of str, Metric or callable, optional
            Reported besides the loss, see ``densecore.metrics``: ``"accuracy"``, ``AUC()``, or a
            function (y_true, y_pred) → number, which gets all rows of a pass. Every row counts the
            same.
        weighted_metrics : sequence, optional
            The same, but rows count by their weights.
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
            Accepted for Keras's sake, and without effect.
        loss_weights
            None: there is one output, and one loss.

        Raises
        ------
        ValueError
            An unknown name, or a metric that does not suit the loss.
        """
        if loss_weights is not None:
            raise TypeError(
                f"loss_weights: found {loss_weights!r}, wanted None: a model has one loss; rows "
                "have weights in fit(sample_weight=..., class_weight=...)"
            )
        if loss is None:
            raise ValueError(f"compile: found no loss, wanted one of {', '.join(losses.names())}")
        before = (self.optimizer, self.loss, self._metrics, self._weighted_metrics)
        try:
            self.optimizer = optimizers.get(optimizer)
            self.loss = custom_loss(loss) or losses.get(loss)  # type: ignore[arg-type]
            self._metrics = get_all("metrics", metrics)
            self._weighted_metrics = get_all("weighted_metrics", weighted_metrics)
            if self.built or self._input is not None:
                self._compile()
            self._network_changed()
        except BaseException:
            self.optimizer, self.loss, self._metrics, self._weighted_metrics = before
            raise

    def _compile(self) -> None:
        assert self.optimizer is not None
        assert self.loss is not None
        outputs = self.output_shape[1]
        self._network.compile(
            self.loss.name,
            self.loss.reduction,
            self.optimizer._settings,
            self._describe_metrics(self.loss.name, outputs),
            self.seed,
            self.loss.from_logits,
            self.loss._parameters(),
        )

    def _describe_metrics(self, loss: str, outputs: int) -> list[metrics.Description]:
        """What the core wants of the metrics; raises for one that does not suit the loss."""
        return [metric._describe(loss, outputs, False) for metric in self._metrics] + [
            metric._describe(loss, outputs, True) for metric in self._weighted_metrics
        ]

    def _compiled_loss(self) -> losses.Loss:
        if self.loss is None:
            raise RuntimeError(
                "the model is not compiled: call compile(optimizer=..., loss=...) first"
            )
        return self.loss

    @property
    def metrics_names(self) -> list[str]:
        """``"loss"``, then the metrics: the order of `evaluate`'s list."""
        return ["loss", *metrics.reported_names(self._metrics, self._weighted_metrics)]

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
            inputs=self._inputs,
            outputs=loss.target_columns(self.output_shape[1]),
            sparse=loss.sparse,
            flatten=self._flattens,
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
        from . import training

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
        from . import evaluation

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
            from . import evaluation

            outputs: Array = evaluation.predict(self, x, batch_size, verbose, steps, callbacks)
            return outputs
        self._build_for(x)
        return self._network.predict(
            as_rows("x", x, self._dtype, self._inputs, flatten=self._flattens), None
        )

    def __call__(self, inputs: Any, training: bool | None = None) -> Array:
        """As `predict`: an array, where Keras has a tensor."""
        if training:
            raise TypeError(
                "training: found True, wanted False or None: forward(x, training=True) is what "
                "computes with dropout and the batch's own statistics"
            )
        return self.predict(inputs)

    # Loops of one's own -------------------------------------------------------------------------

    @property
    def _trains_in_core(self) -> bool:
        """Whether the core's `train_on_batch` is all there is to do."""
        return not (self._metrics or self._weighted_metrics or isinstance(self.loss, CallableLoss))

    def train_on_batch(
        self, x: Array, y: Array, sample_weight: Array | None = None
    ) -> float | list[float]:
        """One forward pass, backward pass and update; the arrays are used where they lie.

        Parameters
        ----------
        x : ndarray (rows, features) of the model's dtype, C-contiguous
        y : ndarray (rows, outputs) of the model's dtype, or (rows,) int32 or int64 class numbers
        sample_weight : ndarray (rows,) of the model's dtype, optional

        Returns
        -------
        float or list of float
            The loss before the update. Of a model that is compiled with metrics, as in Keras, a
            list in the order of ``metrics_names``; such a call converts its arrays as `fit` does.

        Raises
        ------
        TypeError, ValueError
            An array that cannot be used without a copy; the message says what is wanted.
        """
        if self._network_or_none is None:
            self._build_for(x)
        if not self._trains_in_core:
            from . import training

            batch = self._data(x, y, sample_weight)
            return training.train_on_batch(self, batch._replace(x=take(batch.x, slice(None))))
        return self._network.train_on_batch(x, y, sample_weight)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """As `evaluate`, for rows that are a batch."""
        return self.evaluate(x, y, sample_weight=sample_weight, return_dict=return_dict)

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

    def make_train_step(self, x: Array, y: Array, sample_weight: Array | None = None) -> Any:
        """A step of training that is bound to its arrays: the cheapest loop there is.

        The arrays are checked once, as by `train_on_batch`, and kept alive; each call reads what
        they hold then.

        Returns
        -------
        callable
            ``step()`` makes one step and returns the loss before it; ``step.run(n)`` makes n, and
            returns the last one's.

        Raises
        ------
        RuntimeError
            From ``step``, when the model has been compiled again since.
        """
        self._compiled_loss()
        self._build_for(x)
        if isinstance(self.loss, CallableLoss):
            raise TypeError("make_train_step: found a loss that is a Python function, wanted one "
                            "of the core's")  # fmt: skip
        kind = _core.StepNetworkF32 if self.dtype == "float32" else _core.StepNetworkF64
        return kind(self._network, x, y, sample_weight)

    def make_predictor(self, x: Array, out: Array | None = None) -> Any:
        """A prediction that is bound to its arrays: ``predict()`` reads x and writes `out`.

        Returns
        -------
        callable
            Takes no arguments and returns `out`, a new array (rows, units) if none was given.
        """
        self._build_for(x)
        if out is None:
            out = np.empty((len(x), self.output_shape[1]), self._dtype)
        kind = _core.PredictionNetworkF32 if self.dtype == "float32" else _core.PredictionNetworkF64
        return kind(self._network, x, out)

    def forward(self, x: Array, out: Array | None = None, training: bool = True) -> Array:
        """As `predict_on_batch`, and keeps what `backward` needs.

        With `training` units drop out, and batch normalisation uses the batch's statistics. x is
        not copied: it must still hold the same numbers when `backward` is called.
        """
        if self._network_or_none is None:
            self._build_for(x)
        return self._network.forward(x, out, training)

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
        from .plotting import plot_network

        return plot_network(self, path)

    def _repr_html_(self) -> str:
        from .plotting import html_summary

        return html_summary(self)

    # Copies and files ---------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: what a file holds, in memory; the history stays behind."""
        own = {"_input", "_layers", "_network_or_none", "history", "predict_on_batch",
               "train_on_batch"}  # fmt: skip
        return {
            "stack": Stack.get_config(self),
            "attributes": {key: value for key, value in vars(self).items() if key not in own},
            "progress": self.progress if self.built else {},
            "tensors": {k: v.copy() for k, v in self._tensors().items()} if self.built else None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        config = state["stack"]
        Sequential.__init__(self, dtype=config["dtype"], seed=config["seed"], name=config["name"])
        self._add_from_config(config)
        vars(self).update(state["attributes"])
        if state["tensors"] is None:
            return
        self._make_parameters()
        if self._compiled:
            self._compile()
            self._network.steps = state["progress"]["steps"]
            self._network.epochs = state["progress"]["epochs"]
        for name, view in self._tensors().items():
            view[...] = state["tensors"][name]
        self._network_changed()

    # Files --------------------------------------------------------------------------------------

    @property
    def _keeps_compilation(self) -> bool:
        """Whether a file can say how the model is compiled: not with a function as the loss."""
        return self.loss is not None and not isinstance(self.loss, CallableLoss)

    def get_config(self) -> dict[str, Any]:
        """Architecture, and how it is compiled, as JSON can hold it: `from_config` reads it."""
        config = super().get_config()
        if self._keeps_compilation:
            assert self.optimizer is not None
            assert self.loss is not None
            config["compile"] = {
                "optimizer": self.optimizer.get_config(),
                "loss": self.loss.get_config(),
                "metrics": metrics.config_of(self._metrics),
            }
            if self._weighted_metrics:
                weighted = metrics.config_of(self._weighted_metrics)
                config["compile"]["weighted_metrics"] = weighted
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
                model._metrics = metrics.get_all("metrics", compiled["metrics"])
                model._weighted_metrics = metrics.get_all(
                    "weighted_metrics", compiled.get("weighted_metrics")
                )
                model._describe_metrics(model.loss.name, model.output_shape[1])
        except KeyError as error:
            raise ValueError(f"configuration: found no entry {error}") from None
        except (AttributeError, TypeError, RuntimeError) as error:
            raise ValueError(f"configuration: {error}") from None
        return model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write architecture, parameters, optimizer state, counters and ``metadata`` to one file.

        The format is safetensors: other programs read the tensors, and nothing in it is executed.
        An existing file is replaced in one step or not at all. A model whose loss is a function is
        written as an uncompiled one: after loading compile it again.

        Raises
        ------
        TypeError
            ``metadata`` holds something that JSON cannot.
        OSError
            The file cannot be written; an older one is as it was.
        """
        tensors = self._tensors()
        model_file.write(path, self.get_config(), self.progress, self.metadata, tensors)

    def _expected_tensors(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Dtype and shape of each of `_tensors`, before the network exists."""
        shapes, parameters = self._tensor_shapes()
        if self.optimizer is not None:
            for name in self.optimizer.state_names():
                shapes[f"optimizer.{name}"] = (parameters,)
        return {name: (self._dtype, shape) for name, shape in shapes.items()}

    def _tensors(self) -> dict[str, Array]:
        """Every array that a model file holds, as views: saving reads them, loading writes them."""
        tensors = self._parameter_tensors()
        if self._keeps_compilation:
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
        if file.config["inputs"] is None or not file.config["layers"]:
            raise ValueError(f"{file.path}: the model is damaged: it has no layers or no inputs")
        file.check(model._expected_tensors())
        model._make_parameters()
        if model.loss is not None:
            model._compile()
            model._network.steps = file.progress["steps"]
            model._network.epochs = file.progress["epochs"]
        for name, view in model._tensors().items():
            file.read(name, view)
        model.metadata = file.user
    return model
