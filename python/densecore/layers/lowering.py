"""What a model's layers are in the core."""

import math
from typing import Any

Row = tuple[int, ...]  # the shape of a row


class Plan:
    """The core's layers, one dictionary each, as a model's layers add to it in their order.

    The core's rows are vectors: those of several dimensions lie in it as NumPy's `reshape` would
    make vectors of them. `row` is the shape that a layer sees.
    """

    def __init__(self, row: Row) -> None:
        self.specs: list[dict[str, Any]] = []
        self.row = row
        self.functions: dict[int, Any] = {}  # of the layers of kind "function"
        self._open = False  # whether the last one's function is still to be chosen

    @property
    def width(self) -> int:
        """Elements of a row."""
        return math.prod(self.row)

    def add(self, spec: dict[str, Any], units: int | None = None) -> int:
        """Append a layer of the core, with other rows than its input's if `units`; its number."""
        self.specs.append(spec)
        self.row = self.row if units is None else (units,)
        self._open = spec.get("activation") == "linear"
        return len(self.specs) - 1

    def activate(self, name: str, parameters: list[float]) -> None:
        """Apply a function, which a dense layer before it computes itself: a loss can be fused with
        the end of a layer."""
        if self._open:
            self.specs[-1].update(activation=name, activation_parameters=parameters)
        else:
            self.add({"kind": "activation", "activation": name,
                      "activation_parameters": parameters})  # fmt: skip
        self._open = False

    def close(self, row: Row | None = None) -> None:
        """End the last layer: an activation that follows is one of its own. With `row`, its rows
        have that shape from here on."""
        self._open = False
        self.row = self.row if row is None else row

    def branch(self) -> int:
        """The number of the last layer, whose output will be used twice; -1 for the input."""
        self.close()
        return len(self.specs) - 1
