"""Initializers: the distributions that parameters start from, with Keras's names and defaults.

Values come from a counter-based generator (Philox4x64-10): the same seed gives the same weights on
every machine, and a float32 model starts at the rounded values of its float64 twin.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from ._base import checks, core, unsupported
from ._base.dtypes import Array, check_dtype
from ._base.lazy import imports
from ._base.lookup import unknown
from ._base.registry import Registry, get_registered_name, get_registered_object


class Initializer:
    """Base class: a named distribution with its arguments.

    Parameters
    ----------
    seed : int, optional
        Fixes the values whatever the model's seed is; by default they follow from the model's seed
        and the tensor's place in the model.

    Raises
    ------
    ValueError, TypeError
        An unknown argument, or a seed that is not an integer from 0 to 2^64 - 1.
    """

    name: str
    # Arguments and their defaults, of a distribution that the core does not have.
    _own: ClassVar[dict[str, float]] = {}

    def __init__(self, seed: int | None = None, **arguments: float) -> None:
        if not hasattr(self, "name"):
            raise TypeError("Initializer: found the base class, wanted one of its classes")
        known = core.initializers().get(self.name, self._own)
        for argument in arguments:
            if argument not in known:
                unknown(f"argument of initializer '{self.name}'", argument, known)
        self.seed = None if seed is None else checks.seed(seed)
        self.arguments = {
            key: checks.number(f"{self.name}: {key}", arguments.get(key, known[key]))
            for key in known
        }

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if "__call__" in vars(cls) and cls.__module__ != __name__:
            if "name" not in vars(cls):
                cls.name = cls.__name__
            cls.fill = _fill_by_call  # type: ignore[method-assign]

    def fill(self, out: Array, fan_in: int, fan_out: int, model_seed: int, tensor: int) -> None:
        """Fill the contiguous array `out`, tensor number `tensor` of a model, in place."""
        seed = model_seed if self.seed is None else self.seed
        core.initialize(
            out.reshape(-1), self.name, list(self.arguments.values()), fan_in, fan_out, seed, tensor
        )

    def __call__(self, shape: tuple[int, ...], dtype: str = "float32") -> Array:
        """An array of `shape` (fan-in first, as Keras's kernels) with values of its own."""
        sizes = shape if isinstance(shape, list | tuple) else (shape,)
        shape = tuple(checks.integer("shape", size, 0) for size in sizes)
        out = np.empty(shape, check_dtype(dtype))
        fan_in, fan_out = (shape[0], shape[-1]) if len(shape) > 1 else (max(out.size, 1),) * 2
        self.fill(out, fan_in, fan_out, 0, 0)
        return out

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` and `get` make an equal one; JSON-able."""
        known = {"seed": self.seed, **self.arguments} if "arguments" in vars(self) else {}
        return {"name": self.name, **known}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Initializer":
        """The initializer that `get_config` describes.

        Parameters
        ----------
        config : dict
            Its ``name`` may be missing.
        """
        arguments = {key: value for key, value in config.items() if key != "name"}
        if arguments.get("seed") is None:
            arguments.pop("seed", None)
        return cls(**arguments)

    def __repr__(self) -> str:
        if "arguments" not in vars(self):  # a class of a user's, with arguments of its own
            return f"{type(self).__name__}()"
        shown = [f"{key}={value:g}" for key, value in self.arguments.items()]
        shown += [] if self.seed is None else [f"seed={self.seed}"]
        return f"{type(self).__name__}({', '.join(shown)})"


class GlorotUniform(Initializer):
    """Uniform on ±sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio, 2010)."""

    name = "glorot_uniform"


class GlorotNormal(Initializer):
    """Truncated normal of variance 2 / (fan_in + fan_out) (Glorot & Bengio, 2010)."""

    name = "glorot_normal"


class HeUniform(Initializer):
    """Uniform on ±sqrt(6 / fan_in) (He, Zhang, Ren & Sun, 2015)."""

    name = "he_uniform"


class HeNormal(Initializer):
    """Truncated normal of variance 2 / fan_in (He, Zhang, Ren & Sun, 2015)."""

    name = "he_normal"


class LecunNormal(Initializer):
    """Truncated normal of variance 1 / fan_in (LeCun, Bottou, Orr & Müller, 1998)."""

    name = "lecun_normal"


class LecunUniform(Initializer):
    """Uniform on ±sqrt(3 / fan_in) (LeCun, Bottou, Orr & Müller, 1998)."""

    name = "lecun_uniform"


class Zeros(Initializer):
    """All zeros."""

    name = "zeros"


class Ones(Initializer):
    """All ones."""

    name = "ones"


class Constant(Initializer):
    """All `value`, also an array of one element."""

    name = "constant"

    def __init__(self, value: float = 0.0) -> None:
        if getattr(value, "size", 0) == 1 or (isinstance(value, list | tuple) and len(value) == 1):
            value = np.asarray(value).reshape(-1)[0]
        super().__init__(value=value)


class RandomNormal(Initializer):
    """Normal with `mean` and standard deviation `stddev`; `seed` as for `Initializer`."""

    name = "random_normal"

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed=seed, mean=mean, stddev=stddev)


class RandomUniform(Initializer):
    """Uniform between `minval` and `maxval`; `seed` as for `Initializer`."""

    name = "random_uniform"

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        super().__init__(seed=seed, minval=minval, maxval=maxval)


class RandomSigns(Initializer):
    """1 or -1, each half of the time; `seed` as for `Initializer`."""

    name = "random_signs"
    _own: ClassVar[dict[str, float]] = {}

    def fill(self, out: Array, fan_in: int, fan_out: int, model_seed: int, tensor: int) -> None:
        seed = model_seed if self.seed is None else self.seed
        flat = out.reshape(-1)
        core.initialize(flat, "random_uniform", [-1.0, 1.0], fan_in, fan_out, seed, tensor)
        flat[...] = np.where(flat < 0, -1, 1)


class TruncatedNormal(Initializer):
    """Normal with `mean` and standard deviation `stddev`, drawn again beyond two deviations.

    `seed` is as for `Initializer`.
    """

    name = "truncated_normal"

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed=seed, mean=mean, stddev=stddev)


class VarianceScaling(Initializer):
    """Variance scale / fan: the family that those of Glorot, He and LeCun belong to.

    Parameters
    ----------
    scale : float, default 1.0
        > 0.
    mode : {"fan_in", "fan_out", "fan_avg"}, default "fan_in"
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}, default "truncated_normal"
    seed : int, optional
        Of its own values; by default they follow from the model's seed.

    Raises
    ------
    ValueError
        An unknown mode or distribution, or a scale that is not > 0.
    """

    name = "variance_scaling"
    _modes = ("fan_in", "fan_out", "fan_avg")
    _distributions = ("truncated_normal", "untruncated_normal", "uniform")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        if mode not in self._modes:
            unknown("mode of VarianceScaling", mode, self._modes)
        if distribution not in self._distributions:
            unknown("distribution of VarianceScaling", distribution, self._distributions)
        scale = checks.number("VarianceScaling: scale", scale, above=0)
        self.mode, self.distribution = mode, distribution
        kind, way = self._modes.index(mode), self._distributions.index(distribution)
        super().__init__(seed=seed, scale=scale, mode=kind, distribution=way)

    def get_config(self) -> dict[str, Any]:
        named = {"mode": self.mode, "distribution": self.distribution}
        return {**super().get_config(), **named}

    def __repr__(self) -> str:
        seed = "" if self.seed is None else f", seed={self.seed}"
        scale = self.arguments["scale"]
        return f"VarianceScaling({scale:g}, {self.mode!r}, {self.distribution!r}{seed})"


class Orthogonal(Initializer):
    """Orthonormal columns, or rows where those are fewer, times `gain` (Saxe et al., 2013).

    They are made of normal numbers by the modified Gram–Schmidt method in double precision, in an
    order that is the same on every machine.

    Parameters
    ----------
    gain : float, default 1.0
    seed : int, optional
        As for `Initializer`.

    Raises
    ------
    ValueError
        When it fills an array of fewer than two dimensions, such as a bias.
    """

    name = "orthogonal"
    _own: ClassVar[dict[str, float]] = {"gain": 1.0}

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed=seed, gain=gain)

    def fill(self, out: Array, fan_in: int, fan_out: int, model_seed: int, tensor: int) -> None:
        if out.ndim < 2:
            raise ValueError(f"orthogonal: found shape {out.shape}, wanted at least two dimensions")
        columns = out.shape[-1]
        rows = out.size // columns
        vectors = np.empty((min(rows, columns), max(rows, columns)))
        seed = model_seed if self.seed is None else self.seed
        flat = vectors.reshape(-1)
        core.initialize(flat, "random_normal", [0.0, 1.0], fan_in, fan_out, seed, tensor)
        _make_orthonormal(vectors)
        matrix = vectors.T if rows >= columns else vectors
        out[...] = (self.arguments["gain"] * matrix).reshape(out.shape)


def _make_orthonormal(vectors: Array) -> None:
    """Replace the rows of `vectors` by orthonormal ones of the same span.

    Not LAPACK's QR: its bits depend on the library and the processor. The second pass removes what
    rounding has left of the other vectors.
    """
    for _ in range(2):
        for number, vector in enumerate(vectors):
            vector /= np.sqrt((vector * vector).sum())
            rest = vectors[number + 1 :]
            rest -= (rest * vector).sum(axis=1)[:, None] * vector


class Identity(Initializer):
    """`gain` on the diagonal, 0 elsewhere.

    Parameters
    ----------
    gain : float, default 1.0

    Raises
    ------
    ValueError
        When it fills an array of another number of dimensions than two.
    """

    name = "identity"
    _own: ClassVar[dict[str, float]] = {"gain": 1.0}

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(gain=gain)

    def fill(self, out: Array, fan_in: int, fan_out: int, model_seed: int, tensor: int) -> None:
        if out.ndim != 2:
            raise ValueError(f"identity: found shape {out.shape}, wanted two dimensions")
        out[...] = self.arguments["gain"] * np.eye(*out.shape)


# Keras's functions of the same names: ``initializers.he_normal(seed=1)``.
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
zeros, ones, constant = Zeros, Ones, Constant
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling = VarianceScaling
orthogonal, OrthogonalInitializer = Orthogonal, Orthogonal
identity, IdentityInitializer = Identity, Identity


def _fill_by_call(
    self: Any, out: Array, fan_in: int, fan_out: int, model_seed: int, tensor: int
) -> None:
    """`Initializer.fill` of a class with a ``__call__`` of its own."""
    _fill_from(self, out)


def _fill_from(function: Callable[..., Any], out: Array) -> None:
    """Fill an array with the result of a function (shape, dtype)."""
    with imports:
        import inspect

    known = inspect.signature(function).parameters
    takes_dtype = "dtype" in known or any(p.kind is p.VAR_KEYWORD for p in known.values())
    found = function(tuple(out.shape), **({"dtype": out.dtype.name} if takes_dtype else {}))
    values = np.asarray(found)
    if values.shape != out.shape:
        name = getattr(function, "__name__", type(function).__name__)
        raise ValueError(
            f"initializer {name}: found shape {values.shape} returned, wanted {out.shape}"
        )
    out[...] = values


class CallableInitializer(Initializer):
    """A custom function.

    Parameters
    ----------
    function : callable
        ``(shape, dtype=None)`` → an array of that shape: of a dense layer's kernel (inputs, units).

    Raises
    ------
    ValueError
        When it fills an array: the function returned another shape.
    """

    name = "function"

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.seed = None
        self.arguments = {}

    def fill(self, out: Array, fan_in: int, fan_out: int, model_seed: int, tensor: int) -> None:
        _fill_from(self.function, out)

    def get_config(self) -> dict[str, Any]:
        """The function's name, which finds it if it is registered."""
        return {"name": get_registered_name(self.function)}

    def __repr__(self) -> str:
        return str(getattr(self.function, "__name__", type(self.function).__name__))


INITIALIZERS = Registry("initializer", Initializer)
INITIALIZERS.collect(globals(), lambda cls: "" if cls is CallableInitializer else cls.name)
INITIALIZERS.alias({"uniform": "random_uniform", "normal": "random_normal"})


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Initializer:
    """An initializer from its name, its class, its configuration, a function, or itself.

    Parameters
    ----------
    identifier : str, type, dict, callable, Initializer or None
        None is Keras's default of weights, "glorot_uniform". A function takes a shape and, if it
        has such an argument, ``dtype``, and returns an array; so does the
        ``__call__`` of a custom class.
    custom_objects : dict, optional
        Further classes and functions by name; they come first.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if identifier is None:
        return GlorotUniform()
    if isinstance(identifier, str | Mapping):
        name = identifier if isinstance(identifier, str) else identifier.get("name")
        if isinstance(name, str):
            found = get_registered_object(name, custom_objects)
            if callable(found) and not isinstance(found, type):
                return CallableInitializer(found)
    own = callable(identifier) and not isinstance(identifier, Initializer | type)
    if own:
        return CallableInitializer(identifier)
    return INITIALIZERS.get(identifier, custom_objects)


names = INITIALIZERS.names
serialize = INITIALIZERS.serialize
deserialize = INITIALIZERS.deserialize


def __getattr__(name: str) -> object:
    known = [word for word in INITIALIZERS.words() if word[0].isupper()]
    raise unsupported.error(__name__, name, known)
