"""Losses of classes: cross-entropies, hinges, and the divergence of distributions."""

from .base import Loss


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
