"""Other libraries' arrays as NumPy's: without a copy where that can be.

None of them is imported here: an object of theirs means that its library has been.
"""

import sys
from typing import Any

import numpy as np

_CPU = 1  # DLPack's number of the device


def library_of(value: Any) -> str:
    """The package that made an object's class, or one that it derives from."""
    known = ("pandas", "polars", "torch", "jaxlib", "jax", "scipy")
    for cls in type(value).__mro__:
        package = cls.__module__.partition(".")[0]
        if package in known:
            return package
    return ""


def is_sparse(value: Any) -> bool:
    """Whether it is a sparse matrix or array of SciPy's."""
    return library_of(value) == "scipy" and hasattr(value, "tocsr")


def to_numpy(name: str, value: Any) -> Any:
    """Frames, series and tensors as NumPy arrays; anything else as it is.

    Raises
    ------
    TypeError
        A column that holds no numbers, a tensor on another device, or one that wants a gradient.
    """
    # `np.ma` would import it: only a program that has done so can have such an array.
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())
    if isinstance(value, masked) and np.ma.is_masked(value):
        raise ValueError(f"{name}: found masked values, wanted numbers (fill them first)")
    if isinstance(value, np.ndarray | list | tuple):
        return value
    library = library_of(value)
    if library == "pandas":
        return _pandas(name, value)
    if library == "polars":
        return _polars(name, value)
    if library == "torch":
        return _torch(name, value)
    if is_sparse(value):
        raise TypeError(
            f"{name}: found a sparse {type(value).__name__}, wanted a dense array "
            f"({name}.toarray() makes one)"
        )
    if hasattr(value, "__dlpack_device__"):
        _check_device(name, value)
        # JAX's arrays are read-only, which not every version of from_dlpack accepts.
        return np.asarray(value) if hasattr(value, "__array__") else np.from_dlpack(value)
    return value


def of_objects(array: Any) -> Any:
    """An array of Python objects as one of float64. Text is no number, although NumPy reads it.

    Raises
    ------
    TypeError, ValueError, OverflowError
        An element is no number.
    """
    for value in array.flat:
        if isinstance(value, str | bytes):
            raise TypeError(f"text: {value[:20]!r}")
    return array.astype(np.float64)


def _check_device(name: str, value: Any) -> None:
    kind, number = value.__dlpack_device__()
    if int(kind) != _CPU:
        where = getattr(value, "device", f"{int(kind)}:{number}")
        raise TypeError(
            f"{name}: found an array on the device {where}, wanted one in the memory of the CPU"
        )


def _no_numbers(name: str, column: Any, dtype: Any) -> TypeError:
    return TypeError(
        f"{name}: found column {str(column)!r} of dtype {dtype}, wanted numbers (or drop or encode "
        "the column)"
    )


def _pandas(name: str, value: Any) -> Any:
    if not hasattr(value, "to_numpy"):
        return value
    frame = hasattr(value, "columns")
    columns = list(value.dtypes.items()) if frame else [(value.name, value.dtype)]
    for place, (column, dtype) in enumerate(columns):
        if dtype.kind == "O" and str(dtype) == "object":
            try:
                of_objects(np.asarray(value.iloc[:, place] if frame else value, object))
            except (TypeError, ValueError, OverflowError):
                raise _no_numbers(name, column, dtype) from None
        elif dtype.kind not in "biuf" or str(dtype) == "category":
            raise _no_numbers(name, column, dtype)
    dtypes = {dtype for _, dtype in columns}
    if len(dtypes) == 1 and isinstance(next(iter(dtypes)), np.dtype):
        return value.to_numpy()
    # pandas's own types may have missing values; of mixed ones it would make objects.
    return value.to_numpy(dtype=np.float64, na_value=np.nan)


def _polars(name: str, value: Any) -> Any:
    if not hasattr(value, "to_numpy"):
        raise TypeError(f"{name}: found a polars {type(value).__name__}, wanted its collect()")
    schema = value.schema if hasattr(value, "schema") else {value.name: value.dtype}
    for column, dtype in schema.items():
        if not (dtype.is_numeric() or str(dtype) == "Boolean"):
            raise _no_numbers(name, column, dtype)
    return value.to_numpy()


def _torch(name: str, value: Any) -> Any:
    if not hasattr(value, "requires_grad"):
        return value
    if value.device.type != "cpu":
        raise TypeError(
            f"{name}: found a torch tensor on {value.device}, wanted one in the memory of the CPU "
            "(tensor.cpu() makes one)"
        )
    if value.requires_grad:
        raise TypeError(
            f"{name}: found a torch tensor that requires a gradient, wanted one without "
            "(tensor.detach() is one)"
        )
    try:
        return value.numpy()
    except (TypeError, RuntimeError) as error:  # bfloat16, sparse or quantised
        raise TypeError(
            f"{name}: found a torch tensor of {value.dtype} and {value.layout}, which NumPy does "
            f"not know ({error}); tensor.float() and tensor.to_dense() make others"
        ) from None
