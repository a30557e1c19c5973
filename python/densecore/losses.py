"""Losses with Keras's names. The mathematics is in the core, its definition in `reference`.

A class (``losses.Huber(delta=2)``) has options and is what `compile` takes; called, it computes the
reduced number. A function (``losses.huber(y_true, y_pred)``) computes the loss of every row.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._names import unknown

_REDUCTIONS = {"mean": "mean", "sum_over_batch_size": "mean", "sum": "sum"}
_KERNELS: dict[str, _core.KernelsF32 | _core.KernelsF64] = {
    "float32": _core.KernelsF32(),
    "float64": _core.KernelsF64(),
}
_CORE = _KERNELS["float64"].losses()


class Loss:
    """Base class: a named loss, its reduction and its options.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        ``"mean"`` (also under Keras's name ``"sum_over_batch_size"``) divides the sum of the rows'
        losses by the sum of their weights. ``"sum"`` does not, and where the loss of a row is a
        mean over the outputs sums over them too: for the mean squared error that is the note's
        gradient 2 (a - y).

    Attributes
    ----------
    from_logits : bool
        Whether outputs are what the loss's own sigmoid or softmax is still to be applied to.
    """

    name: str

    def __init__(
        self, reduction: str = "mean", *, from_logits: bool = False, **options: Any
    ) -> None:
        if reduction not in _REDUCTIONS:
            unknown("reduction", reduction, _REDUCTIONS)
        self.reduction = _REDUCTIONS[reduction]
        if not isinstance(from_logits, bool | np.bool_):
            raise TypeError(
                f"{self.name}: from_logits: found {from_logits!r}, wanted True or False"
            )
        self.from_logits = bool(from_logits)
        self._options = {key: self._checked(key, value) for key, value in options.items()}
        vars(self).update(self._options)
        _KERNELS["float64"].check_loss(self.name, self._parameters())

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        for method in ("call", "__call__"):
            if method in vars(cls):
                raise TypeError(
                    f"class {cls.__name__}: found a method {method}, which the core does not call; "
                    "compile takes a function (y_true, y_pred) -> (loss, gradient) as the loss"
                )

    def _checked(self, key: str, value: Any) -> Any:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"{self.name}: {key}: found {type(value).__name__}, wanted a number"
            ) from None
        return bool(number) if key == "apply_class_balancing" else number

    def _parameters(self) -> list[float]:
        """What the core takes; none when they are the initial values."""
        return [float(self._options[key]) for key in _CORE[self.name]["parameters"]]

    @property
    def sparse(self) -> bool:
        """Whether targets are class numbers instead of a value per output."""
        return bool(_CORE[self.name]["sparse"])

    def get_config(self) -> dict[str, Any]:
        """What `get` needs to make an equal one; JSON-able."""
        config = {"name": self.name, "reduction": self.reduction, **self._options}
        if self.from_logits:
            config["from_logits"] = True
        return config

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """The loss of some rows, reduced to one number.

        Parameters
        ----------
        y_true : array_like
            Targets like `y_pred`, or as the loss describes them.
        y_pred : array_like (rows, outputs)
            Or of one dimension: a single row. More than two are flattened to rows.
        sample_weight : array_like (rows,), optional
        """
        rows = self._rows(y_true, y_pred)
        weight = np.ones(rows.size) if sample_weight is None else np.asarray(sample_weight)
        if weight.ndim > 0 and weight.size != rows.size:
            raise ValueError(
                f"sample_weight: found shape {weight.shape}, wanted one weight for each of "
                f"{rows.size} rows"
            )
        weight = np.broadcast_to(weight.astype(np.float64).reshape(-1), rows.shape)
        total = float(np.sum(weight * rows))
        if self.reduction == "sum":
            return total * self._terms(np.shape(y_pred)[-1] if np.ndim(y_pred) else 1)
        return total / float(weight.sum() or 1.0)

    def _terms(self, outputs: int) -> int:
        """How many terms a row's loss is the mean of."""
        return outputs if _CORE[self.name]["averaged"] else 1

    def target_columns(self, outputs: int) -> int:
        """How many columns of targets belong to so many outputs."""
        return outputs

    def _rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """The loss of every row."""
        output = np.asarray(y_pred)
        if output.dtype.kind not in "biuf":
            raise TypeError(f"y_pred: found dtype {output.dtype}, wanted real numbers")
        dtype = "float32" if output.dtype.name == "float32" else "float64"
        columns = output.shape[-1] if output.ndim else 1
        matrix = np.require(output, dtype, ["C", "A"]).reshape(-1, columns)
        if self.sparse:
            target = self._labels(np.asarray(y_true), len(matrix))
        else:
            found = np.asarray(y_true)
            wanted = (len(matrix), self.target_columns(columns))
            if found.dtype.kind not in "biuf":
                raise TypeError(f"y_true: found dtype {found.dtype}, wanted real numbers")
            if (
                found.size != wanted[0] * wanted[1]
                or found.shape[: output.ndim - 1] != (output.shape[:-1])
            ):
                raise ValueError(
                    f"y_true: found shape {found.shape}, wanted {wanted} for y_pred of shape "
                    f"{output.shape}"
                )
            target = np.require(found, dtype, ["C", "A"]).reshape(wanted)
        rows = np.empty(len(matrix))
        _KERNELS[dtype].loss_rows(
            self.name, self.from_logits, matrix, target, rows, self._parameters()
        )
        return rows

    @staticmethod
    def _labels(labels: NDArray[Any], rows: int) -> NDArray[np.int32]:
        if labels.size != rows:
            raise ValueError(f"y_true: found shape {labels.shape}, wanted {rows} class numbers")
        whole = labels.reshape(-1).astype(np.int32)
        if not np.array_equal(whole, labels.reshape(-1)):
            raise ValueError("y_true: found numbers that are not whole, wanted class numbers")
        return whole

    def __repr__(self) -> str:
        shown = {key: value for key, value in self.get_config().items() if key != "name"}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


class MeanSquaredError(Loss):
    """(1/n) Σ (a - y)² over the n outputs: the note's Eq. 8."""

    name = "mean_squared_error"


class MeanAbsoluteError(Loss):
    """(1/n) Σ |a - y|"""

    name = "mean_absolute_error"


class MeanSquaredLogarithmicError(Loss):
    """(1/n) Σ (log(1 + a) - log(1 + y))², both kept above 1e-7."""

    name = "mean_squared_logarithmic_error"


class MeanAbsolutePercentageError(Loss):
    """(100/n) Σ |a - y| / |y|, |y| kept above 1e-7."""

    name = "mean_absolute_percentage_error"


class Huber(Loss):
    """(1/n) Σ of (a - y)²/2 where |a - y| ≤ delta, and a straight line from there on.

    Parameters
    ----------
    delta : float
        > 0.
    """

    name = "huber"

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction, delta=delta)


class LogCosh(Loss):
    """(1/n) Σ log(cosh(a - y))"""

    name = "log_cosh"


class Poisson(Loss):
    """(1/n) Σ (a - y log(a + 1e-7))"""

    name = "poisson"


class Quantile(Loss):
    """The pinball loss of several quantiles: (1/n) Σ max(τ d, (τ - 1) d), d = y - a.

    The model has as many outputs for each target as there are quantiles, target by target: output
    ``t * len(quantiles) + q`` estimates quantile q of target t. Not in Keras.

    Parameters
    ----------
    quantiles : sequence of float
        Each in (0, 1).
    """

    name = "quantile"

    def __init__(
        self, quantiles: Iterable[float] = (0.1, 0.5, 0.9), reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, quantiles=quantiles)

    def _checked(self, key: str, value: Any) -> Any:
        try:
            found = [float(tau) for tau in value]
        except (TypeError, ValueError):
            raise TypeError(
                f"quantile: quantiles: found {value!r}, wanted numbers between 0 and 1"
            ) from None
        if not found:
            raise ValueError("quantile: quantiles: found none, wanted at least one")
        return found

    def _parameters(self) -> list[float]:
        return list(self._options["quantiles"])

    def target_columns(self, outputs: int) -> int:
        """One for each group of quantiles."""
        count = len(self._options["quantiles"])
        if outputs % count:
            raise ValueError(f"y_pred: found {outputs} columns, wanted {count} for each target")
        return outputs // count


class GaussianNLL(Loss):
    """(1/n) Σ (s + (y - m)² exp(-s)) / 2: the likelihood of targets under normal distributions.

    The model has two outputs for each of the n targets: first all means m, then all logarithms s
    of the variances. The constant log(2π)/2 is left out, as in PyTorch. Not in Keras.
    """

    name = "gaussian_nll"

    def target_columns(self, outputs: int) -> int:
        """One for each mean and variance."""
        if outputs % 2:
            raise ValueError(f"y_pred: found {outputs} columns, wanted 2 for each target")
        return outputs // 2

    def _terms(self, outputs: int) -> int:
        return outputs // 2


class BinaryCrossentropy(Loss):
    """-(1/n) Σ (y log a + (1 - y) log(1 - a)); computed from z when the last layer is a sigmoid.

    Parameters
    ----------
    from_logits : bool
        Whether outputs are z: the last layer is linear, and the loss applies the sigmoid.
    label_smoothing : float
        Draws targets towards 1/2, in [0, 1).
    """

    name = "binary_crossentropy"

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, from_logits=from_logits, label_smoothing=label_smoothing)


class CategoricalCrossentropy(Loss):
    """-Σ y log a for targets (rows, classes); computed from z when the last layer is a softmax.

    Parameters
    ----------
    from_logits : bool
        Whether outputs are z: the last layer is linear, and the loss applies the softmax.
    label_smoothing : float
        Draws targets towards the same for every class, in [0, 1).
    """

    name = "categorical_crossentropy"

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, from_logits=from_logits, label_smoothing=label_smoothing)


class SparseCategoricalCrossentropy(Loss):
    """-log a_c for class numbers c; computed from z when the last layer is a softmax.

    Parameters
    ----------
    from_logits : bool
        Whether outputs are z: the last layer is linear, and the loss applies the softmax.
    """

    name = "sparse_categorical_crossentropy"

    def __init__(self, from_logits: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction, from_logits=from_logits)


class BinaryFocalCrossentropy(Loss):
    """Binary cross-entropy times (1 - p)^gamma, p the probability given to the truth.

    Parameters
    ----------
    apply_class_balancing : bool
        Whether ones count alpha, and zeros 1 - alpha.
    alpha, gamma : float
        ≥ 0.
    from_logits, label_smoothing
        As for `BinaryCrossentropy`.
    """

    name = "binary_focal_crossentropy"

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(
            reduction,
            from_logits=from_logits,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            label_smoothing=label_smoothing,
        )


class CategoricalFocalCrossentropy(Loss):
    """-Σ alpha (1 - a)^gamma y log a for probabilities a, the outputs of a softmax.

    Parameters
    ----------
    alpha, gamma : float
        ≥ 0.
    """

    name = "categorical_focal_crossentropy"

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "mean") -> None:
        super().__init__(reduction, alpha=alpha, gamma=gamma)


class Hinge(Loss):
    """(1/n) Σ max(0, 1 - y a) for targets -1 and 1; targets 0 stand for -1."""

    name = "hinge"


class SquaredHinge(Loss):
    """(1/n) Σ max(0, 1 - y a)² for targets -1 and 1; targets 0 stand for -1."""

    name = "squared_hinge"


class CategoricalHinge(Loss):
    """max(0, 1 + max (1 - y) a - Σ y a) for targets 0 and 1, one of them 1."""

    name = "categorical_hinge"


class KLDivergence(Loss):
    """Σ y log(y / a), both kept between 1e-7 and 1."""

    name = "kl_divergence"


class CosineSimilarity(Loss):
    """-Σ a y / (|a| |y|): -1 for the same direction."""

    name = "cosine_similarity"


_CLASSES: dict[str, type[Loss]] = {cls.name: cls for cls in Loss.__subclasses__()}
_ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "msle": "mean_squared_logarithmic_error",
    "mape": "mean_absolute_percentage_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
    "pinball": "quantile",
}
_ALIASES |= {name.upper(): _ALIASES[name] for name in ("mse", "mae", "msle", "mape", "bce", "kld")}
_ALIASES |= {cls.__name__: name for name, cls in _CLASSES.items()}


def names() -> list[str]:
    """Every loss that `compile` accepts by name."""
    return list(_CORE)


class LossFunction:
    """A loss as a function of targets and predictions: ``losses.huber(y_true, y_pred, delta=2)``.

    `compile` takes it too, for the loss of that name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.__doc__ = _CLASSES[name].__doc__

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> NDArray[np.float64]:
        """The loss of every row.

        Parameters
        ----------
        y_true, y_pred : array_like
            As for `Loss`.
        **options
            Those of the loss's class.

        Returns
        -------
        ndarray of y_pred's shape without its last axis
        """
        rows = _CLASSES[self.name](**options)._rows(y_true, y_pred)
        return rows.reshape(np.shape(y_pred)[:-1])

    def __repr__(self) -> str:
        return f"<loss {self.name}>"


def get(loss: "str | Loss | LossFunction | dict[str, Any]") -> Loss:
    """A loss from its name, its configuration, or itself.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, LossFunction):
        loss = loss.name
    config = dict(loss) if isinstance(loss, dict) else {"name": loss}
    name = config.pop("name", None)
    resolved = _ALIASES.get(name, name) if isinstance(name, str) else name
    if not isinstance(resolved, str) or resolved not in _CLASSES:
        unknown("loss", name, [*_CLASSES, *_ALIASES])
    return _CLASSES[resolved](**config)


mean_squared_error = mse = MSE = LossFunction("mean_squared_error")
mean_absolute_error = mae = MAE = LossFunction("mean_absolute_error")
mean_squared_logarithmic_error = msle = MSLE = LossFunction("mean_squared_logarithmic_error")
mean_absolute_percentage_error = mape = MAPE = LossFunction("mean_absolute_percentage_error")
huber = LossFunction("huber")
log_cosh = logcosh = LossFunction("log_cosh")
poisson = LossFunction("poisson")
quantile = pinball = LossFunction("quantile")
gaussian_nll = LossFunction("gaussian_nll")
binary_crossentropy = bce = BCE = LossFunction("binary_crossentropy")
categorical_crossentropy = LossFunction("categorical_crossentropy")
sparse_categorical_crossentropy = LossFunction("sparse_categorical_crossentropy")
binary_focal_crossentropy = LossFunction("binary_focal_crossentropy")
categorical_focal_crossentropy = LossFunction("categorical_focal_crossentropy")
hinge = LossFunction("hinge")
squared_hinge = LossFunction("squared_hinge")
categorical_hinge = LossFunction("categorical_hinge")
kl_divergence = kld = KLD = kullback_leibler_divergence = LossFunction("kl_divergence")
cosine_similarity = LossFunction("cosine_similarity")
