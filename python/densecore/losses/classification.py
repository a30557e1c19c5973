"""Losses of classes: cross-entropies, hinges, and the divergence of distributions."""

from typing import Any

from .base import Loss
from .registry import LossFunction


class BinaryCrossentropy(Loss):
    """-(1/n) Σ (y log a + (1 - y) log(1 - a)); computed from z when the last layer is a sigmoid.

    Parameters
    ----------
    from_logits : bool, default False
        Whether outputs are z: the last layer is linear, and the loss applies the sigmoid.
    label_smoothing : float, default 0.0
        Draws targets towards 1/2, in [0, 1).
    axis, reduction, name, **common
        As for `Loss`.
    """

    kind = "binary_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(
            reduction,
            name,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
            **common,
        )


binary_crossentropy = bce = BCE = LossFunction(BinaryCrossentropy)


class CategoricalCrossentropy(Loss):
    """-Σ y log a for targets (rows, classes); computed from z when the last layer is a softmax.

    Parameters
    ----------
    from_logits : bool, default False
        Whether outputs are z: the last layer is linear, and the loss applies the softmax.
    label_smoothing : float, default 0.0
        Draws targets towards the same for every class, in [0, 1).
    axis, reduction, name, **common
        As for `Loss`.
    """

    kind = "categorical_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(
            reduction,
            name,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
            **common,
        )


categorical_crossentropy = LossFunction(CategoricalCrossentropy)


class SparseCategoricalCrossentropy(Loss):
    """-log a_c for class numbers c; computed from z when the last layer is a softmax.

    Parameters
    ----------
    from_logits : bool, default False
        Whether outputs are z: the last layer is linear, and the loss applies the softmax.
    ignore_class, reduction, name, **common
        As for `Loss`.
    """

    kind = "sparse_categorical_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(
            reduction, name, from_logits=from_logits, ignore_class=ignore_class, axis=axis, **common
        )


sparse_categorical_crossentropy = LossFunction(SparseCategoricalCrossentropy)


class BinaryFocalCrossentropy(Loss):
    """Binary cross-entropy times (1 - p)^gamma, p the probability given to the truth.

    Parameters
    ----------
    apply_class_balancing : bool, default False
        Whether ones count alpha, and zeros 1 - alpha.
    alpha : float, default 0.25
        ≥ 0.
    gamma : float, default 2.0
        ≥ 0.
    from_logits, label_smoothing
        As for `BinaryCrossentropy`.
    axis, reduction, name, **common
        As for `Loss`.
    """

    kind = "binary_focal_crossentropy"

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(
            reduction,
            name,
            from_logits=from_logits,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            label_smoothing=label_smoothing,
            axis=axis,
            **common,
        )


binary_focal_crossentropy = LossFunction(BinaryFocalCrossentropy)


class CategoricalFocalCrossentropy(Loss):
    """-Σ alpha (1 - a)^gamma y log a for probabilities a, the outputs of a softmax.

    Parameters
    ----------
    alpha : float, default 0.25
        ≥ 0.
    gamma : float, default 2.0
        ≥ 0.
    from_logits : bool, default False
    label_smoothing : float, default 0.0
    axis, reduction, name, **common
        As for `Loss`.
    """

    kind = "categorical_focal_crossentropy"

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(
            reduction,
            name,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
            alpha=alpha,
            gamma=gamma,
            **common,
        )


categorical_focal_crossentropy = LossFunction(CategoricalFocalCrossentropy)


class CategoricalGeneralizedCrossEntropy(Loss):
    """(1 - a_c^q) / q for class numbers c and probabilities a: robust to wrong labels.

    Between the cross-entropy (q → 0) and the absolute error (q = 1); Zhang & Sabuncu, 2018. Of
    probabilities below 1e-7, where the derivative has no bound, it is 0.

    Parameters
    ----------
    q : float, default 0.5
        In (0, 1).
    reduction, name, **common
        As for `Loss`.
    """

    kind = "categorical_generalized_cross_entropy"

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(reduction, name, q=q, **common)


categorical_generalized_cross_entropy = LossFunction(CategoricalGeneralizedCrossEntropy)


class Hinge(Loss):
    """(1/n) Σ max(0, 1 - y a) for targets -1 and 1; targets 0 stand for -1.

    Parameters as for `Loss`.
    """

    kind = "hinge"


hinge = LossFunction(Hinge)


class SquaredHinge(Loss):
    """(1/n) Σ max(0, 1 - y a)² for targets -1 and 1; targets 0 stand for -1.

    Parameters as for `Loss`.
    """

    kind = "squared_hinge"


squared_hinge = LossFunction(SquaredHinge)


class CategoricalHinge(Loss):
    """max(0, 1 + max (1 - y) a - Σ y a) for targets 0 and 1, one of them 1.

    Parameters as for `Loss`.
    """

    kind = "categorical_hinge"


categorical_hinge = LossFunction(CategoricalHinge)


class KLDivergence(Loss):
    """Σ y log(y / a), both kept between 1e-7 and 1. Parameters as for `Loss`."""

    kind = "kl_divergence"


kl_divergence = kld = KLD = kullback_leibler_divergence = LossFunction(KLDivergence)
