"""Functions of single elements as PyTorch's modules, where PyTorch itself has none."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .activation_table import FORMS


class ActivationFunction(nn.Module):
    """An activation of densecore that torch.nn has no module for."""

    def __init__(self, name: str, parameters: dict[str, float | None]) -> None:
        super().__init__()
        self.name, self.parameters_ = name, parameters

    def forward(self, x: Tensor) -> Tensor:
        function = FORMS[self.name].function
        assert function is not None
        found: Tensor = function(torch, self.parameters_, x)
        return found

    def extra_repr(self) -> str:
        return ", ".join([self.name, *(f"{k}={v}" for k, v in self.parameters_.items())])


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
