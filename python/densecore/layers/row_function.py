"""A layer that computes functions of symbols in Python, which the core does not know."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from .base import Layer
from .lowering import Plan, Row, Source
from .whole_function import WholeFunction


class RowFunction(Layer):
    """Functions that the core does not know, applied to its inputs, see `WholeFunction`."""

    config_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        compute: Callable[[list[Any], int], Any],
        fixed: Sequence[bool],
        output: Row,
        use: str,
        what: str,
    ) -> None:
        super().__init__()
        self._compute, self._fixed, self._output, self._use = compute, fixed, output, use
        self._what = what

    def _output_rows(self, rows: list[Row]) -> list[Row]:
        return [self._output]

    def _output_row(self, row: Row | None) -> Row | None:
        return self._output

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        rows = [source.row for source in sources]
        if len(sources) == 1:
            plan.go_to(plan.whole(sources[0]))
            plan.close((plan.width,))
        else:
            width = sum(source.width for source in sources)
            plan.merge({"kind": "concatenate"}, list(sources), (width,))
            plan.close()
        units = math.prod(self._output)
        number = plan.add({"kind": "function", "units": units}, units)
        plan.functions[number] = WholeFunction(
            self._compute, rows, self._fixed, self._output, self._use
        )
        plan.close(self._output)
        return [plan.here]

    def saved(self) -> dict[str, Any]:
        """Raises: a file holds no Python functions."""
        raise TypeError(
            f"found {self._what} of symbols, a Python function which a file cannot hold; wanted it "
            "in the call of a custom layer, which custom_objects make known"
        )
