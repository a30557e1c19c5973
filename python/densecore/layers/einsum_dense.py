"""Dense layers along dimensions that an equation names: Keras's EinsumDense."""

import math
import re
from typing import Any, ClassVar

import numpy as np

from .. import constraints, initializers, regularizers
from .._base import checks
from .activation import Activation
from .activation_argument import function_of
from .composed import Composed, HeadsProjection
from .lowering import Row
from .shapes import Reshape
from .symbols import Symbol

#: Where an ellipsis may stand.
_ENDS = (slice(0, 3), slice(-3, None))


class EinsumDense(Composed):
    """einsum(equation, x, kernel) + bias, for x with the rows first.

    Where the last dimensions of x are summed over and others take their place, as in "ab,bc->ac"
    or "abc,cde->abde", the core computes it as a dense layer of each vector; other equations run
    in Python.

    Parameters
    ----------
    equation : str
        Of inputs and kernel. The first letter is the rows, which the kernel has not; an ellipsis
        in the input and the output stands for dimensions that stay.
    output_shape : int or tuple of int
        Of a row of the output, without what the ellipsis stands for; None: as that of the input.
    activation : str or callable, optional
    bias_axes : str, optional
        The letters of the output that a bias has; by default there is none.
    kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, \
bias_constraint
        As of `Dense`.
    activity_regularizer, lora_rank, lora_alpha, quantization_config
        None only.
    **general
        As of `Layer`.

    Raises
    ------
    ValueError
        An equation that is not of this form; in a call, sizes that do not fit it.
    """

    config_names: ClassVar[tuple[str, ...]] = (
        "equation", "output_shape", "activation", "bias_axes",
        "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
        "kernel_constraint", "bias_constraint",
    )  # fmt: skip

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: None = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        for name, value in (
            ("activity_regularizer", activity_regularizer),
            ("lora_rank", lora_rank),
            ("lora_alpha", lora_alpha),
            ("quantization_config", quantization_config),
        ):
            if value is not None:
                raise ValueError(f"EinsumDense: {name}: found {checks.shown(value)}, wanted None")
        self.equation = checks.text("EinsumDense: equation", equation).replace(" ", "")
        self._pattern = self._parsed()
        given = output_shape if isinstance(output_shape, list | tuple) else (output_shape,)
        self.output_shape = [checks.optional("EinsumDense: output_shape", size) for size in given]
        self.activation = function_of(activation)
        if bias_axes is not None and not set(bias_axes) <= set(self._pattern[2][1:]) - {"."}:
            raise ValueError(
                f"EinsumDense: bias_axes: found {checks.shown(bias_axes)}, wanted letters of the "
                f"output of {equation!r}, without that of the rows"
            )
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def _parsed(self) -> tuple[str, str, str]:
        found = re.fullmatch(
            r"((?:\.\.\.)?[a-z]+(?:\.\.\.)?),([a-z]+)->((?:\.\.\.)?[a-z]+(?:\.\.\.)?)",
            self.equation,
        )
        taken, kernel, given = ("", "", "") if found is None else found.groups()
        fits = all((taken[part] == "...") == (given[part] == "...") for part in _ENDS)
        known = set(kernel) <= set(taken) | set(given) and set(given) <= set(taken) | set(kernel)
        if not (found and fits and known and taken[0] == given[0]):
            raise ValueError(
                f"EinsumDense: equation: found {self.equation!r}, wanted one like 'ab,bc->ac' or "
                "'...x,xy->...y': inputs and a kernel, whose letters the output has or are summed "
                "over, with the rows first"
            )
        return taken, kernel, given

    def _explicit(self, shape: tuple[Any, ...]) -> tuple[str, str, str, dict[str, Any]]:
        """The letters of input, kernel and output, with others for an ellipsis; and their sizes.

        Raises
        ------
        ValueError
            The shapes do not fit the equation.
        """
        taken, kernel, given = self._pattern
        named = taken.replace("...", "")
        others = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: max(len(shape) - len(named), 0)]
        own = given.replace("...", "")
        taken, given = taken.replace("...", others), given.replace("...", others)
        sizes = dict(zip(taken, shape, strict=False))
        wanted = dict(zip(own if own[0] != given[0] else own[1:], self.output_shape, strict=False))
        fits = len(taken) == len(shape) and len(wanted) == len(self.output_shape)
        for letter, size in wanted.items():
            if size is not None:
                fits = fits and sizes.setdefault(letter, size) == size
        if not fits or any(sizes.get(letter) is None for letter in kernel):
            raise ValueError(
                f"EinsumDense: found inputs of shape {shape} and the output_shape "
                f"{self.output_shape}, wanted sizes that fit the equation {self.equation!r}"
            )
        return taken, kernel, given, sizes

    def build(self, input_shape: Any = None) -> None:
        taken, kernel, given, sizes = self._explicit(tuple(input_shape))
        old = "".join(letter for letter in kernel if letter in taken)
        new = "".join(letter for letter in kernel if letter not in taken)
        leading = taken[: len(taken) - len(old)]
        biased = self.bias_axes or ""

        def row(letters: str) -> Row:
            return tuple(sizes[letter] for letter in letters)

        self._dense: HeadsProjection | None = None
        if old and new and (taken, kernel, given) == (leading + old, old + new, leading + new):
            within = set(biased) == set(new)  # else the bias is a weight of its own
            self._dense = HeadsProjection(
                row(old), row(new), name="dense", use_bias=within,
                **self._options("kernel"), **self._options("bias"),
            )  # fmt: skip
            biased = "" if within else biased
            self._ends = [(*row(leading[1:]), math.prod(row(old))), row((leading + new)[1:])]
        else:
            options = self._options("kernel", "")
            self._kernel = self.add_weight(row(kernel), name="kernel", **options)
            self._equation = f"{taken},{kernel}->{given}"
        self._bias: Any = None
        if biased:
            last = given[min(map(given.index, biased)) :]
            shape = tuple(sizes[letter] if letter in biased else 1 for letter in last)
            self._bias = self.add_weight(shape, name="bias", **self._options("bias", ""))

    def _options(self, array: str, prefix: str | None = None) -> dict[str, Any]:
        start = f"{array}_" if prefix is None else prefix
        kinds = ("initializer", "regularizer", "constraint")
        return {start + kind: getattr(self, f"{array}_{kind}") for kind in kinds}

    @property
    def kernel(self) -> Any:
        """The kernel, in the equation's order."""
        return self._kernel.value if self._dense is None else self._dense.kernel

    @property
    def bias(self) -> Any:
        """The bias, or None."""
        if self._bias is not None:
            return self._bias.value
        return None if self._dense is None else self._dense.bias

    def call(self, inputs: Any) -> Any:
        """The sums of products, plus the bias, and their activation."""
        if self._dense is not None:
            before, after = self._ends
            found = self._dense(inputs if inputs.row == before else Reshape(before)(inputs))
            found = found if found.row == after else Reshape(after)(found)
        else:
            equation = self._equation

            def product(x: Any, kernel: Any) -> Any:
                return np.einsum(equation, x, kernel)

            found = Symbol.operators["computed"](product, (inputs, self._kernel), {})
        found = found if self._bias is None else found + self._bias
        return found if str(self.activation) == "linear" else Activation(self.activation)(found)
