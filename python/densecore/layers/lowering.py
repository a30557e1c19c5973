"""What a model's layers are in the core."""

from typing import Any


class Plan:
    """The core's layers, one dictionary each, as a model's layers add to it in their order."""

    def __init__(self, inputs: int) -> None:
        self.specs: list[dict[str, Any]] = []
        self.width = inputs
        self.functions: dict[int, Any] = {}  # of the layers of kind "function"
        self._open = False  # whether the last one's function is still to be chosen

    def add(self, spec: dict[str, Any], width: int | None = None) -> int:
        """Append a layer of the core; returns its number."""
        self.specs.append(spec)
        self.width = self.width if width is None else width
        self._open = spec.get("activation") == "linear"
        return len(self.specs) - 1

    def activate(self, name: str, parameters: list[float]) -> None:
        """Apply a function; a dense layer before it takes it on, and a loss can then be fused."""
        if self._open:
            self.specs[-1].update(activation=name, activation_parameters=parameters)
        else:
            self.add({"kind": "activation", "activation": name,
                      "activation_parameters": parameters})  # fmt: skip
        self._open = False

    def branch(self) -> int:
        """The number of the last layer, whose output will be used twice; -1 for the input."""
        self._open = False
        return len(self.specs) - 1
