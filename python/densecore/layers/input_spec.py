"""What a layer of one's own says of its inputs: Keras's ``InputSpec``."""

from typing import Any

from .._base import checks


class InputSpec:
    """The dimensions that a layer of one's own wants, as its attribute ``input_spec``.

    Parameters
    ----------
    dtype : str, optional
        Without effect: the model has one.
    shape : tuple, optional
        With the rows first; None for any number.
    ndim, max_ndim, min_ndim : int, optional
    axes : dict of int to int, optional
        The sizes of some axes.
    allow_last_axis_squeeze : bool, default False
        Whether a last axis of 1 may be missing, or be there besides.
    name, optional
        Keras's, without effect.

    Raises
    ------
    TypeError
        Axes that are no dictionary of integers.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Any = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype, self.name, self.optional = dtype, name, optional
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if self.shape is None else len(self.shape)
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        try:
            self.axes = {int(axis): size for axis, size in dict(axes or {}).items()}
        except (TypeError, ValueError):
            raise TypeError(
                f"InputSpec: axes: found {checks.shown(axes)}, wanted a dictionary of axis to size"
            ) from None

    def check(self, owner: str, shape: tuple[int | None, ...]) -> None:
        """Raise ValueError unless inputs of a shape, with the rows first, are what it says."""
        wanted = self.shape
        if wanted is not None and self.allow_last_axis_squeeze:
            if len(shape) == len(wanted) + 1 and shape[-1] == 1:
                shape = shape[:-1]
            elif len(shape) == len(wanted) - 1 and wanted[-1] == 1:
                wanted = wanted[:-1]
        ndim = len(shape)
        fits = (self.ndim if wanted is None else len(wanted)) in (None, ndim)
        fits = fits and (self.max_ndim is None or ndim <= self.max_ndim)
        fits = fits and (self.min_ndim is None or ndim >= self.min_ndim)
        for axis, size in self.axes.items():
            fits = fits and -ndim <= axis < ndim and size in (None, shape[axis])
        if wanted is not None:
            fits = fits and all(
                size is None or there is None or size == there
                for size, there in zip(wanted, shape, strict=False)
            )
        if not fits:
            raise ValueError(f"layer {owner}: found inputs of shape {shape}, wanted {self!r}")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one."""
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "InputSpec":
        """The one that `get_config` describes."""
        return cls(**config)

    def __repr__(self) -> str:
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        shown = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name)]
        return f"InputSpec({', '.join(shown)})"
