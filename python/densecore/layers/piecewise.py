"""Columns of numbers cut into bins, which a network follows more easily than the numbers."""

from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array, Network
from .._data.interop import refuse_masked
from .arrays import Shapes
from .base import Layer
from .lowering import Plan, Row


class PiecewiseLinearEmbedding(Layer):
    """Columns of numbers cut into bins, each with an output that grows from 0 to 1 across it.

    In bin k, from e_k to e_{k+1}, x becomes (x - e_k) / (e_{k+1} - e_k); the output is 0 for an x
    below the bin and 1 for one above it. The output of a column's first bin goes on below 0, and
    that of its last bin above 1, unless `clip` (Gorishniy, Rubachev & Babenko, *On embeddings for
    numerical features in tabular deep learning*, 2022, whose bins lie between quantiles).
    ``Reshape((columns, bins))`` and ``EnsembleDense(units)`` after it are the linear layer of each
    column that the paper adds.

    Parameters
    ----------
    bins : int, default 16
        Outputs of each column, from 1 to 4096.
    columns : int, optional
        So many columns, the first ones, are cut, and the others follow as they are (indicators of
        categories). By default all.
    clip : bool, default False
        Whether x counts as the first bin's beginning below it, and as the last one's end above it.
    name, trainable
        See `Layer`.

    Attributes
    ----------
    edges : ndarray (columns, bins + 1)
        Where the bins begin and end, a copy; before `adapt` they are equal parts of 0 to 1. A
        column with fewer different quantiles repeats its last edge: a bin without width gives 0.
    lower, upper : ndarray (outputs,)
        The same for each output, views: weights that no gradient changes, saved with the model.

    Raises
    ------
    TypeError, ValueError
        Numbers of another type or out of range; in a model, more columns than features.

    Examples
    --------
    >>> import densecore as dc, numpy as np
    >>> cut = dc.layers.PiecewiseLinearEmbedding(4)
    >>> cut.adapt(np.arange(101.0).reshape(-1, 1))
    >>> cut(np.array([[60.0]], np.float32))
    array([[1. , 1. , 0.4, 0. ]], dtype=float32)
    """

    state_names: ClassVar[tuple[str, ...]] = ("lower", "upper")
    _adapts: ClassVar[bool] = True
    config_names: ClassVar[tuple[str, ...]] = ("bins", "columns", "clip")

    def __init__(
        self, bins: int = 16, columns: int | None = None, clip: bool = False, **general: Any
    ) -> None:
        super().__init__(**general)
        kind = "PiecewiseLinearEmbedding"
        self.bins = checks.integer(f"{kind}: bins", bins, 1, 4096)
        self.columns = None if columns is None else checks.integer(f"{kind}: columns", columns, 1)
        self.clip = checks.flag(f"{kind}: clip", clip)
        self._edges: Array | None = None

    @property
    def lower(self) -> Array:
        """Where the bin of each output begins, a view (outputs,)."""
        return self._state("lower")

    @property
    def upper(self) -> Array:
        """Where the bin of each output ends, a view (outputs,)."""
        return self._state("upper")

    @property
    def edges(self) -> Array:
        """Where the bins begin and end, a copy (columns, bins + 1)."""
        if self._views is None and self._edges is not None:
            return self._edges.copy()
        count = self._cut(vars(self)["_row"]) if self._views is not None else 0
        lower, upper = (
            array[: count * self.bins].reshape(count, self.bins)
            for array in (self.lower, self.upper)
        )
        return np.concatenate([lower, upper[:, -1:]], axis=1)

    def adapt(self, data: Any) -> None:
        """Let the bins end at quantiles of data (rows, features), with as many rows in each.

        Quantiles are NumPy's, in double precision, of a column at a time.

        Raises
        ------
        TypeError, ValueError
            The data are not numbers, not finite, have no rows, or fewer columns than are cut;
            another number of columns than the model has; edges that overflow its dtype.
        """
        refuse_masked("adapt", data)
        array = np.asanyarray(data if hasattr(data, "shape") else np.asarray(data))
        if array.dtype.kind not in "biuf":
            raise TypeError(f"adapt: found dtype {array.dtype}, wanted real numbers")
        if array.ndim == 1:
            array = array.reshape(-1, 1)
        if array.ndim != 2 or not array.size:
            raise ValueError(f"adapt: found shape {array.shape}, wanted (rows, features)")
        self._check_features(array.shape[1])
        count = array.shape[1] if self.columns is None else self.columns
        edges = np.empty((count, self.bins + 1))
        for number in range(count):
            column = np.asarray(array[:, number], np.float64)
            bad = ~np.isfinite(column)
            if bad.any():
                row = int(np.argmax(bad))
                raise ValueError(
                    f"adapt: found {column[row]} in column {number}, row {row}, wanted finite "
                    "numbers: leave out or fill what is missing"
                )
            found = np.unique(np.quantile(column, np.linspace(0, 1, self.bins + 1)))
            edges[number] = np.pad(found, (0, self.bins + 1 - len(found)), mode="edge")
        self._take(edges)

    def _take(self, edges: Array) -> None:
        before = self._edges
        self._edges = edges
        if self._views is not None:
            try:
                with self._reserved():
                    self._write_edges()
            except (RuntimeError, ValueError):
                self._edges = before
                raise

    def _write_edges(self) -> None:
        """Copy the edges to the network."""
        assert self._edges is not None
        count = self._cut(vars(self)["_row"])
        if len(self._edges) != count:
            raise ValueError(
                f"layer {self.name or self._default_name()}: found bins of {len(self._edges)} "
                f"columns, wanted {count}"
            )
        if np.abs(self._edges).max() > np.finfo(self.lower.dtype).max:
            raise ValueError(
                f"layer {self.name or self._default_name()}: found edges that overflow "
                f"{self.lower.dtype}, wanted smaller numbers (or a model with dtype='float64')"
            )
        self.lower[: count * self.bins] = self._edges[:, :-1].reshape(-1)
        self.upper[: count * self.bins] = self._edges[:, 1:].reshape(-1)

    def _check_features(self, features: int) -> None:
        if self.columns is not None and self.columns > features:
            raise ValueError(
                f"layer {self.name or self._default_name()}: columns: found {self.columns}, wanted "
                f"at most {features}, the number of features"
            )

    def _cut(self, row: Row) -> int:
        """The number of columns that are cut; ValueError when there are fewer."""
        features = self._features(row)
        self._check_features(features)
        return features if self.columns is None else self.columns

    def _plan(self, plan: Plan) -> None:
        columns = self._cut(plan.row)
        vars(self)["_row"] = plan.row
        spec = {"kind": "piecewise_linear", "columns": columns, "bins": self.bins,
                "clip": self.clip}  # fmt: skip
        plan.add(spec, plan.width + columns * (self.bins - 1), layer=self)

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else (row[0] + self._cut(row) * (self.bins - 1),)

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        outputs = row[0] + self._cut(row) * (self.bins - 1)
        return {}, dict.fromkeys(self.state_names, (outputs,))

    def _build(self, network: Network, places: list[int]) -> None:
        super()._build(network, places)
        if self._edges is None:
            equal = np.linspace(0, 1, self.bins + 1)
            edges = np.tile(equal, (self._cut(vars(self)["_row"]), 1))
            self.lower[: edges[:, 1:].size] = edges[:, :-1].reshape(-1)
            self.upper[: edges[:, 1:].size] = edges[:, 1:].reshape(-1)
        else:
            self._write_edges()

    def __reduce__(self) -> Any:
        # Before there is a model, the edges of `adapt` are nowhere else.
        found = super().__reduce__()
        return found if self.built else (*found, self._edges)

    def __setstate__(self, edges: Array | None) -> None:
        self._edges = edges
