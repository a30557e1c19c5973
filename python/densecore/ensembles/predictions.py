"""Predictions, losses and metrics of an ensemble's members."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._data.arrays import as_array
from .._data.row_sources import as_rows, take
from . import structures
from .dataset import MembersData, read, read_rows
from .members import Members
from .structures import is_structured


class Predictions(Members):
    """Members that predict and are evaluated, on rows for all or for each."""

    def _read(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None = None
    ) -> MembersData:
        loss = self._model._compiled_loss()
        if is_structured(self._model):
            return structures.read(self._model, len(self), x, y, sample_weight, class_weight)
        return read(
            len(self),
            x,
            y,
            sample_weight,
            class_weight,
            dtype=self._model._dtype,
            inputs=self._model._inputs,
            outputs=loss.target_columns(self._model._outputs),
            sparse=loss.sparse,
        )

    def evaluate(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        return_dict: bool = False,
        *,
        indices: Any = None,
    ) -> Any:
        """The loss and the metrics of every member, on data for all or for each.

        Returns
        -------
        ndarray (members,), list of ndarray, or dict
            As `Sequential.evaluate`, with an array where it has a number.

        Raises
        ------
        ValueError, TypeError
            Naming the argument, what was found and what is wanted.
        RuntimeError
            The ensemble is not compiled.
        """
        data = self._read(x, y, sample_weight)
        if indices is not None:
            data = data.with_rows(read_rows("indices", indices, len(self), data))
        names = self.metrics_names
        report = np.full((1, len(names), len(self)), np.nan)
        self._core.evaluate(data.core(), report)
        values = list(report[0])
        if return_dict:
            return dict(zip(names, values, strict=True))
        return values if len(values) > 1 else values[0]

    def predict(self, x: Any, reduce: Any = None) -> Any:
        """Every member's outputs for x (rows, features), or x (members, rows, features).

        Parameters
        ----------
        x : array_like
            Of several inputs as for the model, where each array may have a dimension more and be
            one for each member.
        reduce : {"mean", "std", "median"}, number, or sequence of numbers, optional
            One result of the members' outputs (by default there are all): a mean, a standard
            deviation (of the members, divided by n - 1), or quantiles, such as
            ``(0.05, 0.95)``.

        Returns
        -------
        ndarray
            (members, rows, outputs); reduced (rows, outputs), or (quantiles, rows, outputs). Of
            several outputs such arrays, as the model returns them.

        Raises
        ------
        ValueError, TypeError
            An unknown `reduce`, a quantile that is not from 0 to 1, or x of another shape.
        """
        if isinstance(reduce, str) and reduce not in ("mean", "std", "median"):
            raise ValueError(
                f"reduce: found {reduce!r}, wanted 'mean', 'std', 'median', or quantiles"
            )
        if is_structured(self._model):
            rows = structures.rows_of_members(self._model, x, len(self))
            found = self._core.predict(structures.stacked_rows(rows), None)
            return structures.in_structure(
                self._model,
                found,
                lambda part: part if reduce is None else _reduced(part, reduce),
            )
        if hasattr(x, "shape") and len(x.shape) == 3:
            x = as_array("x", x, self._model._dtype)
        else:
            x = take(as_rows("x", x, self._model._dtype, (self._model._inputs,)), slice(None))
        outputs = self._core.predict(x, None)
        return outputs if reduce is None else _reduced(outputs, reduce)

    def predict_on_batch(self, x: Any, out: Array | None = None) -> Any:
        """Every member's outputs for x, which is used where it lies, into `out` (members, rows,
        outputs) when given. Several inputs are copied side by side, and then there is no `out`."""
        if not is_structured(self._model):
            return self._core.predict(x, out)
        if out is not None:
            raise TypeError("out: found an array for a model of several inputs or outputs, wanted "
                            "None")  # fmt: skip
        return self.predict(x)


def _reduced(outputs: Array, reduce: Any) -> Array:
    wide = outputs.astype(np.float64)
    made: Array
    if isinstance(reduce, str):
        if reduce == "mean":
            made = wide.mean(axis=0)
        elif reduce == "median":
            made = np.median(wide, axis=0)
        else:
            made = wide.std(axis=0, ddof=1 if len(wide) > 1 else 0)
    else:
        levels = as_array("reduce", reduce, np.dtype(np.float64))
        if isinstance(reduce, bool | np.bool_) or not ((levels >= 0) & (levels <= 1)).all():
            raise ValueError(
                f"reduce: found {checks.shown(reduce)}, wanted 'mean', 'std', 'median', or "
                "quantiles, numbers from 0 to 1"
            )
        made = np.quantile(wide, levels, axis=0)
    return made.astype(outputs.dtype)
