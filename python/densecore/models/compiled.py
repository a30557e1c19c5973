"""A model with its loss, optimizer and metrics."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from .. import losses, optimizers
from .._base import checks
from .._base.overriding import overridden
from .._data.dataset import Data
from ..callbacks.history import History
from ..losses.function import CallableLoss, Function, custom_loss
from ..metrics import Metric, get_all, reported_names
from ..metrics.base import Description
from .added_only import AddedOnly
from .batch_data import data_of
from .free_metrics import FreeRunningMetrics, as_function
from .heads import HeadsLoss, HeadsRunningMetrics, heads_of
from .own_steps import ModelLoss, OwnRunningMetrics, loss_of_model, trackers
from .vectors import VectorsLoss, needs_vectors, take_rows
from .weights import Weights

#: The models whose `fit` runs: what it trains must stay theirs. Not an attribute, which copies and
#: files that a callback makes would have, too.
_FITTING: weakref.WeakSet["Compiled"] = weakref.WeakSet()


@contextmanager
def fitting(model: "Compiled") -> Iterator[None]:
    """While a `fit` runs; a callback may call another one of the same model."""
    outer = model in _FITTING
    _FITTING.add(model)
    try:
        yield
    finally:
        if not outer:
            _FITTING.discard(model)


class Compiled(Weights):
    """Compiled models: loss, optimizer, metrics, and the checks of data for them."""

    _not_pickled = Weights._not_pickled | {"history", "_sharing"}

    def __init__(self, dtype: str | None, seed: int | None, name: str | None) -> None:
        super().__init__(dtype, seed, name)
        self.metadata: dict[str, Any] = {}
        self._optimizer: optimizers.Optimizer | None = None
        self._loss: losses.Loss | None = None
        self.history: History | None = None
        self._metrics: list[Metric] = []
        self._weighted_metrics: list[Metric] = []
        self.stop_training = False
        self._initial_epoch = 0  # of the current `fit`; what a callback restores may change it
        # The steps of that epoch that are made already, where ranks stopped within it, and their
        # sums.
        self._initial_step = 0
        self._initial_totals: Sequence[tuple[list[float], int, list[float], float]] = []

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "adam",
        loss: str | losses.Loss | Function | None = None,
        metrics: Sequence[Any] | None = None,
        weighted_metrics: Sequence[Any] | None = None,
        *,
        loss_weights: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose what training minimises, and how.

        Parameters
        ----------
        optimizer : str or Optimizer, default "adam"
            See ``densecore.optimizers``. What it has accumulated in an earlier compilation is
            forgotten.
        loss : str, Loss or callable, optional
            See ``densecore.losses``. Or a function ``(y_true, y_pred)`` on arrays that returns
            losses, one for each row or one number, by NumPy, ``densecore.ops``, JAX or PyTorch:
            its gradient is derived. Or one that returns ``(loss, gradient)``, the batch's mean
            loss and its derivative by y_pred, and takes no sample weights. Either trains batch by
            batch in Python, which is slower. A file keeps a function's name if
            ``densecore.saving.register_keras_serializable`` has registered it; without that the
            model is loaded uncompiled.
        metrics : sequence of str, Metric or callable, optional
            Reported besides the loss, see ``densecore.metrics``: ``"accuracy"``, ``AUC()``, or a
            function (y_true, y_pred) → number, which gets all rows of a pass. Every row counts the
            same.
        weighted_metrics : sequence, optional
            The same, but rows count by their weights.
        loss_weights : list or dict of float, optional
            Of a model of several outputs: the factor of each one's loss in the sum. Its `loss`,
            `metrics` and `weighted_metrics` are lists with an entry for each output, or
            dictionaries by their names; one loss is that of all outputs. An output without a loss
            (None) is not trained.
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
            Accepted for Keras's sake, and without effect.

        Raises
        ------
        ValueError
            An unknown name, or a metric that does not suit the loss.
        RuntimeError
            A callback of the model's own `fit` calls it, which goes on with what it began with.
        """
        several = [] if self._has_own_steps else self._head_names
        if len(several) < 2:
            loss, metrics = self._only(loss), self._only(metrics, (list, tuple))
            weighted_metrics = self._only(weighted_metrics, (list, tuple))
            if loss_weights is not None and checks.real(self._only(loss_weights)) != 1:
                raise TypeError(
                    f"loss_weights: found {checks.shown(loss_weights)}, wanted None: a model of "
                    "one output has one loss; rows have weights in fit(sample_weight=..., "
                    "class_weight=...)"
                )
        if loss is None and self._adds_to_loss and len(several) < 2 and not self._has_own_steps:
            loss = AddedOnly()
        if loss is None and not self._has_own_steps:
            raise ValueError(f"compile: found no loss, wanted one of {', '.join(losses.names())}")
        chosen: losses.Loss
        if self._has_own_steps:
            chosen = loss_of_model(self, loss)
        elif len(several) > 1:
            given = (loss, loss_weights, metrics, weighted_metrics)
            chosen = heads_of(several, self._head_outputs, *given)
            metrics = weighted_metrics = None
        else:
            chosen = custom_loss(loss) or losses.get(loss)
        plain = get_all("metrics", metrics)
        weighted = get_all("weighted_metrics", weighted_metrics)
        if isinstance(chosen, ModelLoss):
            chosen.suit([*plain, *weighted])
        network = self._network_or_none
        # Other threads must neither train with half of the new settings, nor compile at this time.
        with nullcontext() if network is None else network.reserved():
            self._refuse_within_fit("compile")
            self._choose(optimizers.get(optimizer), chosen, plain, weighted)

    def _refuse_within_fit(self, name: str) -> None:
        if self in _FITTING:
            raise RuntimeError(
                f"{name}: found a call during the model's own fit, which would go on without it; "
                "wanted one before, after, or in on_train_end (optimizer.learning_rate and "
                "layer.trainable may be set at any time)"
            )

    def _choose(
        self,
        optimizer: optimizers.Optimizer,
        loss: losses.Loss,
        metrics: list[Metric],
        weighted_metrics: list[Metric],
    ) -> None:
        before = (self._optimizer, self._loss, self._metrics, self._weighted_metrics)
        vars(self).pop("_free_metrics", None)
        try:
            loss.check_trainable()
            if "_excluded" in vars(optimizer):
                self._exclude(optimizer)
            self._optimizer, self._loss = optimizer, loss
            vars(optimizer)["_model"] = weakref.ref(self)  # of which it counts the steps
            self._metrics, self._weighted_metrics = metrics, weighted_metrics
            if self.built:
                self._network_changed()
            elif self._input_row is not None:
                self._build_network()
        except BaseException:
            self._optimizer, self._loss, self._metrics, self._weighted_metrics = before
            raise

    def _exclude(self, optimizer: optimizers.Optimizer) -> None:
        """Take the optimizer's weight decay from the weights that it leaves alone."""
        changed = False
        for layer in self._all_layers():
            views = {} if layer._views is None else layer._views[0]
            found = {
                name: 0.0
                for name in layer.parameter_names
                if optimizer._excludes(f"{layer.name}/{name}", views.get(name))
            }
            if found.items() - layer.weight_decay_multiplier.items():
                vars(layer)["weight_decay_multiplier"] = {**layer.weight_decay_multiplier, **found}
                changed = True
        if changed and self.built:  # its network has the multipliers that it was made with
            self._drop_network()
            self._build_network()

    @property
    def _adds_to_loss(self) -> bool:
        """Whether a custom layer, or the model itself, adds to the loss."""
        return any(layer._adds_to_loss for layer in self._all_layers())

    @property
    def optimizer(self) -> optimizers.Optimizer | None:
        """As compiled; its hyperparameters may be set at any time. None before."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        self._refuse_to_set("optimizer", value)

    @property
    def loss(self) -> losses.Loss | None:
        """As compiled; None before."""
        return self._loss

    @loss.setter
    def loss(self, value: Any) -> None:
        self._refuse_to_set("loss", value)

    def _refuse_to_set(self, name: str, value: Any) -> None:
        # The core computes with what `compile` gave it, and a file would say something else.
        raise AttributeError(
            f"{name}: found an assignment of {checks.shown(value)}, wanted a call of "
            f"compile(optimizer, loss, metrics): a model trains with what it was compiled with"
        )

    #: Whether the class has a `compute_loss` or the like of its own.
    _has_own_steps = False
    #: The names of the numbers that such a method has returned last.
    _logged: list[str]

    def _own_step(self, name: str) -> bool:
        """Whether the class has that method of its own."""
        return bool(overridden(type(self), (name,)))

    def _by_own_step(self, name: str, batch: Any, running: Any) -> None:
        raise NotImplementedError

    #: Whether targets have other columns than the outputs, and Python computes all metrics.
    _free_metrics = False

    def _network_changed(self) -> None:
        """Compile the core's network, if there is one and the model is compiled."""
        super()._network_changed()
        if (ranks := vars(self).pop("_sharing", None)) is not None:  # which agree anew
            ranks.network.expect_nothing()
        if self._network_or_none is None or self.optimizer is None:
            return
        loss = self._compiled_loss()
        if needs_vectors(loss, self._compiled_metrics, self._output_row):
            assert self._output_row is not None
            self._loss = loss = VectorsLoss(loss, self._output_row)
            self._free_metrics = True
        if isinstance(loss, HeadsLoss):
            for head, activation in zip(loss.heads, self._last_activations, strict=True):
                head.loss = None if head.loss is None else head.loss.behind(activation)
            take_rows(loss, self._output_rows)
            network: Any = self._network_or_none
            network.compile_heads(
                loss.described(), self.optimizer._settings, loss.described_metrics(), self.seed
            )
            return
        self._loss = loss = loss.behind(self._last_activations[0])
        self._network_or_none.compile(
            loss.kind,
            loss.reduction,
            self.optimizer._settings,
            self._describe_metrics(loss, self._outputs),
            self.seed,
            loss.from_logits,
            loss._parameters(),
        )

    def _describe_metrics(self, loss: losses.Loss, outputs: int) -> list[Description]:
        """The metrics as the core wants them; raises for one that does not suit the loss."""
        if isinstance(loss, HeadsLoss):
            return loss.described_metrics()
        if self._free_metrics:  # which the core does not see
            return []
        return [metric._describe(loss, outputs, False) for metric in self._metrics] + [
            metric._describe(loss, outputs, True) for metric in self._weighted_metrics
        ]

    def _compiled_loss(self) -> losses.Loss:
        if self.loss is None:
            raise RuntimeError(
                "the model is not compiled: call compile(optimizer=..., loss=...) first"
            )
        return self.loss

    def _compiled_optimizer(self) -> optimizers.Optimizer:
        self._compiled_loss()
        assert self.optimizer is not None
        return self.optimizer

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that the model is compiled with, the weighted ones last; of several outputs
        those of one after the other. Then the attributes that its own `compute_loss` updates."""
        return [*self._compiled_metrics, *(trackers(self) if self._has_own_steps else ())]

    @property
    def _compiled_metrics(self) -> list[Any]:
        if isinstance(self.loss, HeadsLoss):
            return [
                metric for head in self.loss.heads for metric in (*head.metrics, *head.weighted)
            ]
        return [*self._metrics, *self._weighted_metrics]

    @property
    def compiled(self) -> bool:
        """Whether `compile` has been called."""
        return self._loss is not None

    def reset_metrics(self) -> None:
        """Forget the values of the metrics; `fit` and `evaluate` do so by themselves."""
        for metric in self.metrics:
            metric.reset_state()

    @property
    def metrics_names(self) -> list[str]:
        """``"loss"``, then the metrics: the order of `evaluate`'s list. Of several outputs the loss
        of each stands between."""
        if "_logged" in vars(self):
            return list(self._logged)
        names = self._core_names
        own = trackers(self) if self._has_own_steps else []
        return names + [tracker.name for tracker in own if tracker.name not in names]

    @property
    def _core_names(self) -> list[str]:
        if isinstance(self._loss, HeadsLoss):
            return ["loss", *self._loss.names()]
        if not (self._metrics or self._weighted_metrics):
            return ["loss"]
        return ["loss", *reported_names(self._metrics, self._weighted_metrics)]

    @property
    def _directions(self) -> dict[str, bool]:
        """For each metric, by its reported name, whether larger is better."""
        given = self._compiled_metrics
        if not given:
            return {}
        reported = self._core_names[len(self._core_names) - len(given) :]
        return {name: m.larger_is_better for name, m in zip(reported, given, strict=True)}

    @property
    def progress(self) -> dict[str, int]:
        """``steps`` and ``epochs`` trained since the model was compiled; empty before."""
        if self.loss is None:
            return {}
        return {"steps": self._network.steps, "epochs": self._network.epochs}

    def _build_for(self, x: Any) -> None:
        """Make the network for the first data, unless it is there already."""
        if self._network_or_none is None:
            self._take_inputs_of(x)
            if self._network_or_none is None:  # no compilation that waited for the inputs made it
                self._build_network()

    def _data(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        class_weight: Mapping[int, float] | None = None,
        some: bool = False,
    ) -> Data:
        """Given data as the core takes them; builds the model for them if it has no network yet.

        With `some` these are some of the rows, whose weights may all be 0.
        """
        return data_of(self, x, y, sample_weight, class_weight, some)

    def _running_metrics(self) -> Any:
        """New running loss and metrics, for a loop over batches."""
        running_metrics = self._bare_running_metrics()
        if not self._has_own_steps:
            return running_metrics
        vars(self).pop("_logged", None)
        return OwnRunningMetrics(running_metrics, self, self._core_names)

    def _bare_running_metrics(self) -> Any:
        running_metrics = self._network.running_metrics()
        if isinstance(self._loss, HeadsLoss) and not self._loss.in_core:
            return HeadsRunningMetrics(running_metrics, self._loss)
        if self._free_metrics:
            loss = self._compiled_loss()
            functions: list[Any] = [
                loss.metric_function(metric)
                if isinstance(loss, VectorsLoss)
                else as_function(metric, loss, self._outputs)
                for metric in self._compiled_metrics
            ]
            weighted = [False] * len(self._metrics) + [True] * len(self._weighted_metrics)
            return FreeRunningMetrics(running_metrics, functions, weighted)
        return running_metrics

    @property
    def _head_names(self) -> list[str]:
        """The names of the outputs; of one that is not known yet, none."""
        return []

    @property
    def _output_rows(self) -> list[Any]:
        """The shapes of a row of each output."""
        return [self._output_row]

    @property
    def _head_outputs(self) -> list[int]:
        """Elements of a row of each output."""
        return [self._outputs]

    def _only(self, given: Any, of: type | tuple[type, ...] = object) -> Any:
        """The element of a list of one, or of a dictionary with the name of the only output, if it
        is of a type."""
        if isinstance(given, Mapping) and len(given) == 1:
            names = self._head_names or [str(layer.name) for layer in self._layers[-1:]]
            (key, value), *_ = given.items()
            if key in names:  # a metric is a list of one
                return value if of is object or isinstance(value, of) else [value]
        if isinstance(given, list | tuple) and len(given) == 1 and isinstance(given[0], of):
            return given[0]
        return given

    @property
    def _trains_in_core(self) -> bool:
        """Whether the core's `train_on_batch` does the whole of a step."""
        in_python = isinstance(self.loss, CallableLoss | HeadsLoss)
        return not (self._compiled_metrics or self._constrained or self._penalised or in_python)
