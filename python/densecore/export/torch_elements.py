"""Functions of single elements as PyTorch's modules, where PyTorch itself has none."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Exponential(nn.Module):
    """exp(x)"""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


class ClippedReLU(nn.Module):
    """ReLU with Keras's negative slope, largest value and threshold."""

    def __init__(self, negative_slope: float, max_value: float | None, threshold: float) -> None:
        super().__init__()
        self.negative_slope, self.max_value = negative_slope, max_value
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        above = x if self.max_value is None else x.clamp(max=self.max_value)
        below = self.negative_slope * (x - self.threshold)
        return torch.where(x > self.threshold, above, below)


class Squareplus(nn.Module):
    """(x + sqrt(x² + b)) / 2"""

    def __init__(self, b: float) -> None:
        super().__init__()
        self.b = b

    def forward(self, x: Tensor) -> Tensor:
        return (x + torch.sqrt(x * x + self.b)) / 2


class SparsePlus(nn.Module):
    """x above 1, 0 below -1, and (x + 1)² / 4 between."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 1, x, ((x.clamp(-1, 1) + 1) / 2) ** 2)


class SparseSigmoid(nn.Module):
    """(x + 1) / 2, at least 0 and at most 1."""

    def forward(self, x: Tensor) -> Tensor:
        return ((x + 1) / 2).clamp(0, 1)


def _divided_down(x: Tensor, y: Tensor) -> Tensor:
    return torch.div(x, y, rounding_mode="floor")


#: NumPy's functions of single elements, by their names there.
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "absolute": torch.abs, "add": torch.add, "arccos": torch.acos, "arccosh": torch.acosh,
    "arcsin": torch.asin, "arcsinh": torch.asinh, "arctan": torch.atan, "arctan2": torch.atan2,
    "arctanh": torch.atanh, "ceil": torch.ceil, "conjugate": torch.positive, "cos": torch.cos,
    "cosh": torch.cosh, "deg2rad": torch.deg2rad, "divide": torch.div, "equal": torch.eq,
    "exp": torch.exp, "exp2": torch.exp2, "expm1": torch.expm1, "fabs": torch.abs,
    "float_power": torch.pow, "floor": torch.floor, "floor_divide": _divided_down,
    "fmax": torch.fmax, "fmin": torch.fmin, "fmod": torch.fmod, "greater": torch.gt,
    "greater_equal": torch.ge, "hypot": torch.hypot, "less": torch.lt, "less_equal": torch.le,
    "log": torch.log, "log10": torch.log10, "log1p": torch.log1p, "log2": torch.log2,
    "logaddexp": torch.logaddexp, "logaddexp2": torch.logaddexp2, "maximum": torch.maximum,
    "minimum": torch.minimum, "multiply": torch.mul, "negative": torch.neg,
    "not_equal": torch.ne, "positive": torch.positive, "power": torch.pow,
    "rad2deg": torch.rad2deg, "reciprocal": torch.reciprocal, "remainder": torch.remainder,
    "rint": torch.round, "sign": torch.sign, "sin": torch.sin, "sinh": torch.sinh,
    "sqrt": torch.sqrt, "square": torch.square, "subtract": torch.sub, "tan": torch.tan,
    "tanh": torch.tanh, "trunc": torch.trunc,
}  # fmt: skip


class Element(nn.Module):
    """One of `FUNCTIONS` of each element, or of each and a number."""

    def __init__(self, function: str, constant: float | None, constant_first: bool) -> None:
        super().__init__()
        self.function, self.constant = function, constant
        self.constant_first = constant_first

    def forward(self, x: Tensor) -> Tensor:
        function = FUNCTIONS[self.function]
        if self.constant is None:
            return function(x)
        constant = torch.full_like(x, self.constant)
        pair = (constant, x) if self.constant_first else (x, constant)
        return function(*pair).to(x.dtype)
