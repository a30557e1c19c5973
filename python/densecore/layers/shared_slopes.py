"""`PReLU` whose slopes are shared along some axes, penalised or constrained."""

from typing import Any, ClassVar

from .. import constraints, initializers, regularizers
from .._base import checks
from .activation import ReLU
from .composed import Composed
from .symbols import Symbol


class SharedPReLU(Composed):
    """x for x > 0, else alpha x: what `PReLU` is with other options than its initializer.

    Parameters
    ----------
    alpha_initializer : str or Initializer, default "zeros"
    alpha_regularizer, alpha_constraint : optional
        As a dense layer's.
    shared_axes : int or list of int, optional
        The axes, from 1, along which all elements have one slope.
    **general
        As of `Layer`.
    """

    config_names: ClassVar[tuple[str, ...]] = (
        "alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes",
    )  # fmt: skip

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        given = shared_axes if isinstance(shared_axes, list | tuple) else [shared_axes]
        axes = [] if shared_axes is None else given
        self.shared_axes = [checks.integer("PReLU: shared_axes", axis, 1) for axis in axes]

    def _default_name(self) -> str:
        return "p_re_lu"

    def build(self, input_shape: Any = None) -> None:
        sizes = list(input_shape[1:])
        for axis in self.shared_axes:
            if axis > len(sizes):
                raise ValueError(
                    f"PReLU: shared_axes: found {axis} for inputs of shape {tuple(input_shape)}, "
                    f"wanted 1 to {len(sizes)}"
                )
            sizes[axis - 1] = 1
        self.alpha = self.add_weight(
            tuple(sizes), self.alpha_initializer, name="alpha",
            regularizer=self.alpha_regularizer, constraint=self.alpha_constraint,
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        """The function of symbols."""
        positive = ReLU()(inputs)
        return positive + self.alpha * (inputs - positive)


Symbol.operators["shared slopes"] = SharedPReLU
