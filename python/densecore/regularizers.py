"""Regularizers with Keras's names: penalties on weights that are added to the loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._base import checks
from ._base.fixed import Fixed
from ._base.registry import Registry, get_registered_name, get_registered_object


class Regularizer(Fixed):
    """l1 · Σ|w| + l2 · Σw².

    Parameters
    ----------
    l1, l2 : float, default 0.0
        Finite, >= 0.

    Raises
    ------
    TypeError
        Something that is not a number.
    ValueError
        It is not finite, or < 0.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = checks.number("l1", l1, least=0)
        self.l2 = checks.number("l2", l2, least=0)

    def __call__(self, weights: Any) -> float:
        """The penalty of an array."""
        array = np.asarray(weights, np.float64)
        return float(self.l1 * np.abs(array).sum() + self.l2 * np.square(array).sum())

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` and `get` make an equal one; JSON-able."""
        return {"l1": self.l1, "l2": self.l2}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Regularizer":
        """The regularizer that `get_config` describes, or the configuration of one of Keras."""
        own = cls.__init__ is not Regularizer.__init__ and cls.__module__ != __name__
        if cls in (L1, L2):  # whose configurations have both factors
            name, other = ("l1", "l2") if cls is L1 else ("l2", "l1")
            if not config.get(other):
                return cls(*(config[key] for key in (name,) if key in config))
        return cls(**config) if own else L1L2(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Regularizer) and (self.l1, self.l2) == (other.l1, other.l2)

    def __hash__(self) -> int:
        return hash((self.l1, self.l2))

    def __repr__(self) -> str:
        return f"L1L2(l1={self.l1:g}, l2={self.l2:g})"


class L1(Regularizer):
    """l1 · Σ|w|."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(Regularizer):
    """l2 · Σw²."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


class L1L2(Regularizer):
    """l1 · Σ|w| + l2 · Σw²."""


class FunctionRegularizer(Regularizer):
    """A penalty that is a custom function; `get` makes it.

    Parameters
    ----------
    function : callable
        Of an array, written with NumPy's functions or those of ``densecore.ops``.

    Raises
    ------
    TypeError
        It is no function.
    """

    def __init__(self, function: Any) -> None:
        if not callable(function):
            raise TypeError(f"regularizer: found {checks.shown(function)}, wanted a function")
        super().__init__()
        self.function = function

    def __call__(self, weights: Any) -> Any:
        """The penalty of an array."""
        return self.function(weights)

    def __getattr__(self, name: str) -> Any:
        """An attribute of the object that the user made."""
        if name.startswith("__") or name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)

    def get_config(self) -> dict[str, Any]:
        """The function's name, or the class's and its options, which `custom_objects` or a
        registration make known again."""
        if hasattr(self.function, "get_config"):
            name = get_registered_name(type(self.function))
            return {"class_name": name, "config": self.function.get_config()}
        return {"function": get_registered_name(self.function)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionRegularizer) and self.function == other.function

    def __hash__(self) -> int:
        return id(self.function)

    def __repr__(self) -> str:
        return f"FunctionRegularizer({self.function!r})"


class OrthogonalRegularizer:
    """factor · the mean of |cosines| between the rows, or the columns, of a matrix.

    Brock et al., *Neural photo editing with introspective adversarial networks*, 2017. It runs in
    Python, batch by batch.

    Parameters
    ----------
    factor : float, default 0.01
    mode : {"rows", "columns"}, default "rows"

    Raises
    ------
    ValueError
        Another mode.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = checks.number("factor", factor)
        self.mode = checks.one_of("mode", mode, ("rows", "columns"))

    def __call__(self, inputs: Any) -> Any:
        """The penalty of a matrix."""
        if inputs.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer: found shape {inputs.shape}, wanted a matrix")
        axis = 1 if self.mode == "rows" else 0
        length = np.sqrt(np.maximum(np.sum(np.square(inputs), axis=axis, keepdims=True), 1e-12))
        unit = inputs / length
        turned = np.transpose(unit)
        product = np.matmul(unit, turned) if axis else np.matmul(turned, unit)
        size = inputs.shape[1 - axis]
        others = np.abs(product * (1.0 - np.eye(size)))
        return self.factor * 0.5 * np.sum(others) / (size * (size - 1.0) / 2.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one; JSON-able."""
        return {"factor": self.factor, "mode": self.mode}


def l1(l1: float = 0.01) -> Regularizer:
    """As `L1`."""
    return L1(l1)


def l2(l2: float = 0.01) -> Regularizer:
    """As `L2`."""
    return L2(l2)


def l1_l2(l1: float = 0.0, l2: float = 0.0) -> Regularizer:
    """As `L1L2`."""
    return L1L2(l1, l2)


REGULARIZERS = Registry("regularizer", Regularizer)
for _maker, *_aliases in ((l1, "L1"), (l2, "L2"), (l1_l2, "L1L2")):
    REGULARIZERS.add(_maker.__name__, _maker, *_aliases)
REGULARIZERS.add("orthogonal", OrthogonalRegularizer, "OrthogonalRegularizer")  # type: ignore[arg-type]
orthogonal_regularizer = OrthogonalRegularizer

names = REGULARIZERS.names
serialize = REGULARIZERS.serialize


def get(regularizer: Any, custom_objects: Mapping[str, Any] | None = None) -> Regularizer | None:
    """A regularizer from its name, its class, its configuration, a function, or itself; None stays
    None.

    Parameters
    ----------
    regularizer : str, type, dict, callable, Regularizer or None
        Of a function, or an object of a class with ``__call__``, calls with numbers tell whether
        it is l1 · Σ|w| + l2 · Σw², which the core computes. Any other runs in Python, batch by
        batch; its gradient is derived.
    custom_objects : dict, optional
        Further classes by name; they come first.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    TypeError
        A function of another kind.
    """
    if regularizer is None:
        return None
    if isinstance(regularizer, type) and "__call__" in vars(regularizer):
        regularizer = regularizer()
    own = callable(regularizer) and not isinstance(regularizer, type)
    if isinstance(regularizer, FunctionRegularizer):
        return regularizer
    if own and type(regularizer).__call__ is not Regularizer.__call__:
        return _recognised(regularizer)
    if isinstance(regularizer, Mapping) and "function" in regularizer:
        name = regularizer["function"]
        function = (custom_objects or {}).get(name) or get_registered_object(name)
        if function is None:
            raise ValueError(
                f"regularizer: found the function {name!r}, which is not known here, wanted "
                "custom_objects with it"
            )
        return _recognised(function)
    found: Any = deserialize(regularizer, custom_objects)
    core = isinstance(found, Regularizer) and type(found).__call__ is Regularizer.__call__
    return found if core else _recognised(found)


def _recognised(function: Any) -> Regularizer:
    """The regularizer that a custom function is: one of the core, if calls with numbers say
    that it is a sum over the elements of l1 · |w| + l2 · w²."""
    generator = np.random.default_rng(0)
    shapes = [(3, 4), (2, 5), (4, 3), (4, 4)]
    arrays = [generator.normal(size=shape) for shape in shapes]
    try:
        with np.errstate(all="ignore"):
            found = np.array([float(function(array)) for array in arrays])
    except Exception:  # of a function that wants arrays of other shapes, or another library's
        return FunctionRegularizer(function)
    if not np.isfinite(found).all():
        return FunctionRegularizer(function)
    terms = np.array([[np.abs(array).sum(), np.square(array).sum()] for array in arrays])
    both, *_ = np.linalg.lstsq(terms, found, rcond=None)
    if not np.allclose(terms @ both, found, rtol=1e-5, atol=1e-12) or both.min() < -1e-12:
        return FunctionRegularizer(function)
    size = np.abs(both).max()
    l1, l2 = (0.0 if abs(factor) < 1e-6 * size else float(f"{factor:.7g}") for factor in both)
    return L1L2(l1, l2)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Regularizer:
    """The regularizer that a configuration describes: ``{"l1": ..., "l2": ...}``, or Keras's.

    Parameters
    ----------
    config : dict
        Or what else `get` takes, but for None.
    custom_objects : dict, optional
        Further classes by name; they come first.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if isinstance(config, Mapping) and not {"name", "class_name"} & config.keys():
        return L1L2(**config)
    if isinstance(config, Mapping) and config.get("class_name") in ("L1", "L2"):
        # Of these get_config() has both factors, and Keras's one.
        name, options = config["class_name"].lower(), dict(config.get("config") or {})
        unused = options.pop("l2" if name == "l1" else "l1", 0.0)
        if unused != 0:
            raise ValueError(f"regularizer {name}: found the other factor {unused}, wanted 0")
        config = {"class_name": name, "config": options}
    return REGULARIZERS.get(config, custom_objects)


def factors(regularizer: Regularizer | None) -> list[float]:
    """(l1, l2) for the core."""
    return [0.0, 0.0] if regularizer is None else [regularizer.l1, regularizer.l2]
