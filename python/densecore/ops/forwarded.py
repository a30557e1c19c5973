"""Functions of NumPy's under Keras's names, with the arguments that Keras has, in its order."""

import ast
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.dtypes import floatx

# Arguments → the names that have them. NumPy is given the required ones by their places, and the
# others by their names; those before a "/" by their places, too.
_ARGUMENTS = {
    "x": """abs absolute angle arccos arccosh arcsin arcsinh arctan arctanh bartlett bitwise_not
        blackman cbrt ceil conj conjugate copy corrcoef cos cosh deg2rad exp exp2 expm1 fabs fliplr
        flipud floor hamming hanning i0 imag isfinite isinf isnan isneginf isposinf isreal log log10
        log1p log2 logical_not ndim negative nonzero rad2deg ravel real reciprocal sign signbit sin
        sinc sinh sqrt square tan tanh trunc""",
    "x1, x2": """add arctan2 divide dot equal floor_divide fmax fmin fmod gcd greater greater_equal
        heaviside hypot inner kron lcm ldexp less less_equal logaddexp logaddexp2 logical_and
        logical_or logical_xor matmul maximum minimum mod multiply nextafter not_equal outer power
        remainder subtract true_divide vdot""",
    "x, y": "bitwise_and bitwise_or bitwise_xor left_shift right_shift",
    "xs": "dstack hstack vstack",
    "x, axis=None, keepdims=False": """all amax amin any argmax argmin mean median nanargmax
        nanargmin nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar ptp std sum var""",
    "x, axis=None, keepdims=False, initial=None": "max min",
    "x, axis=None, keepdims=False, dtype=None": "prod",
    "x, axis=None, dtype=None": "cumprod cumsum nancumprod nancumsum",
    "x, axis=None": "count_nonzero flip squeeze",
    "x, axis": "expand_dims",
    "x, axis=-1": "argsort sort",
    "x, axis=0": "stack",
    "xs, axis=0": "concatenate",
    "x, axis=None, weights=None": "average",
    "x, axes=None": "transpose",
    "x1, x2, axes=2": "tensordot",
    "x1, x2, axis=None": "append",
    "x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None": "cross",
    "x1, x2, rtol=1e-05, atol=1e-08, equal_nan=False": "allclose isclose",
    "x1, x2, assume_unique=False, invert=False": "isin",
    "x1, x2, mode='valid'": "correlate",
    "x, q, axis=None, method='linear', keepdims=False": """nanpercentile nanquantile percentile
        quantile""",
    "x, indices_or_sections, axis=0": "array_split split",
    "x, indices_or_sections": "dsplit hsplit vsplit",
    "x, k=0": "diag diagflat tril triu",
    "x, offset=0, axis1=0, axis2=1": "diagonal trace",
    "a, n=1, axis=-1": "diff",
    "x, bins": "digitize",
    "x, bins=10, range=None": "histogram",
    "x, weights=None, minlength=0, sparse=False": "bincount",
    "x, kth, axis=-1": "argpartition",
    "x, shape": "broadcast_to",
    "x, newshape": "reshape",
    "x, x_min, x_max": "clip",
    "x, repeats": "tile",
    "x, repeats, axis=None": "repeat",
    "x, shift, axis=None": "roll",
    "array, k=1, axes=(0, 1)": "rot90",
    "x, decimals=0": "round",
    "x, source, destination": "moveaxis",
    "x, axis1, axis2": "swapaxes",
    "x, indices, axis=None": "take",
    "x, nan=0.0, posinf=None, neginf=None": "nan_to_num",
    "x, pad_width, mode='constant', constant_values=None": "pad",
    "x, sorted=True, return_index=False, return_inverse=False, return_counts=False, axis=None,"
    " size=None, fill_value=None": "unique",
    "x, N=None, increasing=False": "vander",
    "x, beta": "kaiser",
    "y, x=None, dx=1.0, axis=-1": "trapezoid",
    "sorted_sequence, values, side='left'": "searchsorted",
    "condlist, choicelist, default=0": "select",
    "condition, x1=None, x2=None, /": "where",
    "indices, shape": "unravel_index",
    "x, dtype=None": "array empty_like ones_like zeros_like",
    "x, fill_value, dtype=None": "full_like",
    "start, stop=None, step=None, /, dtype=None": "arange",
    "shape, dtype=None": "empty ones zeros",
    "shape, fill_value, dtype=None": "full",
    "N, M=None, k=0, dtype=None": "eye tri",
    "n, dtype=None": "identity",
    "start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0": "linspace",
    "start, stop, num=50, endpoint=True, base=10, dtype=None, axis=0": "logspace",
    "start, stop, num=50, endpoint=True, dtype=None, axis=0": "geomspace",
    "*x, indexing='xy'": "meshgrid",
    "subscripts, *operands": "einsum",
}  # fmt: skip
_LINEAR = {
    "x": "det eig eigh inv slogdet",
    "a, b": "solve",
    "x, upper=False": "cholesky",
    "x, tol=None": "matrix_rank",
    "x, rcond=None": "pinv",
    "x, mode='reduced'": "qr",
    "x, full_matrices=True, compute_uv=True": "svd",
}
# What makes arrays of nothing, in Keras's default dtype.
_MADE = [
    "empty", "eye", "full", "geomspace", "identity", "linspace", "logspace", "ones", "tri", "zeros",
]  # fmt: skip
# Functions that NumPy 1 has under other names.
_BEFORE_2 = {"trapezoid": "trapz"}

_REQUIRED = object()


def _parsed(arguments: str) -> tuple[dict[str, Any], list[str]]:
    """The defaults of arguments, and the names of those that NumPy is given by their places."""
    defaults: dict[str, Any] = {}
    placed: list[str] = []
    known = ast.parse(f"def f({arguments}): ...").body[0]
    assert isinstance(known, ast.FunctionDef)
    words = [*known.args.posonlyargs, *known.args.args]
    values = [_REQUIRED] * (len(words) - len(known.args.defaults))
    values += [ast.literal_eval(value) for value in known.args.defaults]
    for word, value in zip(words, values, strict=True):
        defaults[word.arg] = value
        if value is _REQUIRED or word in known.args.posonlyargs:
            placed.append(word.arg)
    return defaults, placed


def _with_arguments(name: str, arguments: str, target: Callable[..., Any]) -> Callable[..., Any]:
    defaults, placed = _parsed(arguments)

    def call(*given: Any, **named: Any) -> Any:
        if len(given) > len(defaults):
            raise TypeError(f"found {len(given)} arguments, wanted {name}({arguments})")
        values = dict(zip(defaults, given, strict=False))
        for word in named:
            if word in values:
                raise TypeError(f"found {word} twice, wanted {name}({arguments})")
        values.update(named)
        missing = [word for word in placed if defaults[word] is _REQUIRED and word not in values]
        if missing:
            raise TypeError(f"found no {missing[0]}, wanted {name}({arguments})")
        first = [values.pop(word, None) for word in placed]
        while first and first[-1] is None and defaults[placed[len(first) - 1]] is None:
            first.pop()
        # NumPy's own defaults are the same, and not all of its versions have all words.
        options = {
            key: value for key, value in values.items() if value is not defaults.get(key, first)
        }
        if name in _MADE and values.get("dtype") is None:
            options["dtype"] = floatx()
        return target(*first, **options)

    return call


def _named(name: str, arguments: str, target: Any) -> Callable[..., Any]:
    """A function of NumPy's under Keras's name."""
    call = target if "*" in arguments else _with_arguments(name, arguments, target)

    def function(*given: Any, **named: Any) -> Any:
        return call(*given, **named)

    first = (inspect.getdoc(target) or "").split("\n\n")
    say = next((part for part in first if "(" not in part.split("\n")[0]), name).split("\n")[0]
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{say}\n\n``{name}({arguments})``, as ``numpy.{target.__name__}``."
    return function


def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Numbers of x at the places along an axis that an array has; None: of all numbers in a row."""
    return np.take_along_axis(x, indices, axis)


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """The x with the least length of a x - b; `rcond` as in ``numpy.linalg.lstsq``."""
    return np.linalg.lstsq(a, b, rcond=rcond)[0]


def _functions() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for module, table in ((np, _ARGUMENTS), (np.linalg, _LINEAR)):
        for arguments, names in table.items():
            for name in names.split():
                target = getattr(module, name, None) or getattr(module, _BEFORE_2[name])
                found[name] = _named(name, arguments, target)
    return {**found, "lstsq": lstsq, "take_along_axis": take_along_axis}


#: Name → function.
FORWARDED: dict[str, Callable[..., Any]] = _functions()
