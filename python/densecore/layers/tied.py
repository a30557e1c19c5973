"""Kernels of dense layers in products of another layer: tied weights."""

from typing import Any

import numpy as np

from .base import Layer
from .dense import Dense
from .lowering import Plan, Row, Source
from .symbols import CallError, Symbol
from .weight import DESCRIBED, Weight


class Transposed(Layer):
    """x Wᵀ with the kernel W of a dense layer, which the model must call before.

    Parameters
    ----------
    tied : Dense
    """

    def __init__(self, tied: Dense, **general: Any) -> None:
        super().__init__(**general)
        self.tied = tied

    def _output_row(self, row: Row | None) -> Row | None:
        if row is None:
            return None
        if self._features(row) != self.tied.units:
            raise ValueError(
                f"layer {self.name or 'transposed'}: found rows of shape {row} in a product with "
                f"the transposed kernel of {self.tied.name or 'a layer'}, wanted "
                f"({self.tied.units},)"
            )
        return (_inputs_of(self.tied),)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        row = self._output_row(sources[0].row)
        assert row is not None
        if self.tied not in plan.places:
            raise ValueError(
                f"layer {self.name or 'transposed'}: found the kernel of "
                f"{self.tied.name or 'a layer'}, which the model does not call before, wanted a "
                "model that has both, such as the whole autoencoder"
            )
        plan.go_to(sources[0])
        spec = {"kind": "transposed_dense", "units": row[0], "use_bias": self.tied.use_bias}
        plan.add(spec, row[0], layer=self.tied)
        return [plan.here]


def _inputs_of(layer: Dense) -> int:
    if layer._views is not None:
        return int(layer._views[0]["kernel"].shape[0])
    if not layer._nodes:
        raise CallError(
            f"layer {layer.name or 'dense'}: found its kernel before it was called, wanted a call "
            "before it: the number of its inputs is not known"
        )
    return int(layer._nodes[0].inputs[0].row[-1])


class Kernel:
    """`Dense.kernel` while a `call` is described: its transpose may be multiplied with.

    Parameters
    ----------
    layer : Dense
    transposed : bool
    """

    def __init__(self, layer: Dense, transposed: bool = False) -> None:
        self._layer, self._transposed = layer, transposed

    @property
    def shape(self) -> tuple[int, int]:
        """(inputs, units), or of the transpose (units, inputs)."""
        inputs, units = _inputs_of(self._layer), self._layer.units
        return (units, inputs) if self._transposed else (inputs, units)

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def T(self) -> "Kernel":
        """The transpose."""
        return Kernel(self._layer, not self._transposed)

    def product(self, x: Symbol) -> Symbol:
        """x times it."""
        if not self._transposed:
            raise CallError(
                f"found a product with the kernel of the layer {self._layer.name or 'dense'}, "
                "wanted a call of the layer, or a product with the transposed kernel"
            )
        found: Symbol = Transposed(self._layer)(x)
        return found

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc is np.matmul and isinstance(inputs[0], Symbol):
            return self.product(inputs[0])
        raise CallError(
            f"found numpy.{ufunc.__name__} of the kernel of the layer {self._layer.name}, wanted "
            "matmul(x, transpose(kernel))"
        )

    def __array_function__(self, function: Any, types: Any, given: Any, named: Any) -> Any:
        if function is np.transpose:
            return self.T
        if function is np.shape:
            return self.shape
        if function is np.dot and isinstance(given[0], Symbol):
            return self.product(given[0])
        raise CallError(
            f"found numpy.{function.__name__} of the kernel of the layer {self._layer.name}, "
            "wanted matmul(x, transpose(kernel))"
        )


def _transposed(weight: Weight) -> Any:
    """The transpose of a weight: cheap of one that is the kernel of a product, before it in this
    call or in an earlier one."""
    layer = weight._carrier[0] if weight._carrier is not None else None
    layer = next(reversed(weight._dense.values()), None) if layer is None else layer
    layer = None if weight.anyhow else layer
    if not isinstance(layer, Dense) or weight.ndim != 2:
        return Symbol.operators["transpose"](weight.symbol(), (0, *range(weight.ndim, 0, -1)))
    return Kernel(layer, transposed=True)


def _kernel(layer: Dense) -> Kernel | None:
    """`Dense.kernel` while a `call` is described."""
    return Kernel(layer) if DESCRIBED.anchors else None


Symbol.operators.update(transposed=_transposed, kernel=_kernel)
