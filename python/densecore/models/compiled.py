"""A stack of layers with what it is trained by: loss, optimizer, metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from .. import losses, metrics, optimizers
from .._data.dataset import Data, prepare
from ..callbacks.history import History
from ..losses.function import CallableLoss, Function, custom_loss
from ..metrics import get_all
from .layer_stack import AnyLayer
from .weights import Weights


class Compiled(Weights):
    """What a model is compiled with, and what its data must be like for that."""

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

    def build(self, input_shape: int | tuple[int | None, ...] | None = None) -> None:
        """Make and initialise the parameters; see `Stack.build`."""
        new = not self.built
        super().build(input_shape)
        if new and self._compiled:
            self._compile()

    def _build_for(self, x: Any) -> None:
        super()._build_for(x)
        if self._compiled and not self.built:
            self._compile()

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
            self.loss = custom_loss(loss) or losses.get(loss)
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
            self.loss.kind,
            self.loss.reduction,
            self.optimizer._settings,
            self._describe_metrics(self.loss.kind, outputs),
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
    def _directions(self) -> dict[str, bool]:
        """Of each metric by its reported name, whether it should grow."""
        reported = self.metrics_names[1:]
        given = (*self._metrics, *self._weighted_metrics)
        return {name: m.larger_is_better for name, m in zip(reported, given, strict=True)}

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

    @property
    def _trains_in_core(self) -> bool:
        """Whether the core's `train_on_batch` is all there is to do."""
        return not (self._metrics or self._weighted_metrics or isinstance(self.loss, CallableLoss))
