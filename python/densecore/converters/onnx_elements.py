"""ONNX's functions of single elements, as NumPy's, which symbols know."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .onnx_flow import Flow
from .onnx_graph import Node

_ONE: Mapping[str, Callable[[Any], Any]] = {
    "Abs": np.absolute, "Acos": np.arccos, "Acosh": np.arccosh, "Asin": np.arcsin,
    "Asinh": np.arcsinh, "Atan": np.arctan, "Atanh": np.arctanh, "Cast": np.trunc,
    "Ceil": np.ceil, "Cos": np.cos, "Cosh": np.cosh, "Exp": np.exp, "Floor": np.floor,
    "IsNaN": np.isnan, "Log": np.log, "Neg": np.negative, "Not": np.logical_not,
    "Reciprocal": np.reciprocal, "Round": np.rint, "Sign": np.sign, "Sin": np.sin,
    "Sinh": np.sinh, "Sqrt": np.sqrt, "Tan": np.tan, "Tanh": np.tanh,
}  # fmt: skip
#: Those of two values, or of one and a number.
PAIRS: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": np.add, "Div": np.divide, "Equal": np.equal, "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal, "Less": np.less, "LessOrEqual": np.less_equal,
    "Max": np.maximum, "Min": np.minimum, "Mul": np.multiply, "Pow": np.power,
    "Sub": np.subtract,
}  # fmt: skip
#: The operators that are functions of single elements.
NAMES = (*_ONE, *PAIRS, "Clip", "IsInf", "Where")


def function_of_elements(node: Node, flow: Flow) -> Callable[[Any], Any] | None:
    """The function that a node of one value is; None for other operators.

    Raises
    ------
    ValueError
        A limit is no constant.
    """
    if node.operator == "Clip":
        return _clip(*(_limit(node, flow, place, key) for place, key in ((1, "min"), (2, "max"))))
    if node.operator == "IsInf":
        return _infinite(node)
    if node.operator not in PAIRS:
        return _ONE.get(node.operator)
    constants = [flow.constants.get(name) for name in node.inputs]
    numbers = [each for each in constants if each is not None]
    if len(constants) != 2 or len(numbers) != 1 or numbers[0].size != 1:
        return None
    function, number = PAIRS[node.operator], float(numbers[0].ravel()[0])
    if constants[0] is not None:
        return lambda x: function(number, x)
    return lambda x: function(x, number)


def choice(node: Node, flow: Flow) -> Callable[..., Any] | None:
    """What takes one of two values or numbers by a condition, as a function of those that are no
    constants; None for other operators, and for constants of several numbers."""
    constants = [flow.constants.get(name) for name in node.inputs]
    if node.operator != "Where" or any(each is not None and each.size != 1 for each in constants):
        return None
    numbers = [None if each is None else float(each.ravel()[0]) for each in constants]
    names = flow.dynamic(node)

    def choose(*values: Any) -> Any:
        given = dict(zip(names, values, strict=True))
        return np.where(*(given[name] if number is None else number
                          for name, number in zip(node.inputs, numbers, strict=True)))  # fmt: skip

    return choose


def _limit(node: Node, flow: Flow, place: int, key: str) -> float | None:
    if len(node.inputs) > place and node.inputs[place]:
        return float(flow.constant(node, place).ravel()[0])
    given = node.attributes.get(key)
    return None if given is None else float(given)


def _infinite(node: Node) -> Callable[[Any], Any]:
    up, down = (node.attributes.get(f"detect_{sign}", 1) for sign in ("positive", "negative"))
    if up and down:
        return np.isinf
    one = np.inf if up else -np.inf
    return lambda x: np.equal(x, one)


def _clip(low: float | None, high: float | None) -> Callable[[Any], Any]:
    def clip(x: Any) -> Any:
        x = x if low is None else np.maximum(x, low)
        return x if high is None else np.minimum(x, high)

    return clip
