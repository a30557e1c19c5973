"""A layer's form in the core: the shapes of its rows and weights, and its part of a plan."""

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import regularizers
from .arguments import resolved
from .arrays import Shapes
from .has_weights import HasWeights
from .lowering import Plan, Row, Source
from .whole_function import penalise


class InCore(HasWeights):
    """The methods of a layer that are called when its model's network is made.

    Most layers define `_plan`, `_output_row` and, if they have weights, `_weight_shapes`.
    """

    #: Names of the arrays of parameters, in Keras's order; of those that no gradient changes.
    parameter_names: ClassVar[tuple[str, ...]] = ()
    state_names: ClassVar[tuple[str, ...]] = ()
    #: Whether the latter are what the layer has taken from data by `adapt`.
    _adapts: ClassVar[bool] = False

    #: The axis that the layer works along: -1 or the number of the last one.
    axis: Any = -1
    #: Whether a row may be a number; one that is called with an array (rows,) takes vectors of one
    #: element otherwise.
    _takes_numbers: ClassVar[bool] = False

    #: Whether the steps of its output that count are those of its input; see `masks`. None: what
    #: does not count would have to be left out, which it does not do.
    _keeps_mask: ClassVar[bool | None] = False

    name: str | None
    activity_regularizer: regularizers.Regularizer | None
    learning_rate_multiplier: dict[str, Any]
    weight_decay_multiplier: dict[str, Any]

    # Shapes -------------------------------------------------------------------------------------

    def _output_row(self, row: Row | None) -> Row | None:
        """The shape of a row of the output, for that of a row of the input; None: not known yet.

        Raises
        ------
        ValueError
            The layer does not take such rows.
        """
        return row

    def _output_rows(self, rows: list[Row]) -> list[Row]:
        """The shapes of rows of the outputs, for those of the inputs, which are known."""
        row = self._output_row(self._only(rows))
        assert row is not None
        return [row]

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        """Shapes of the parameters, and of the other weights, for rows of that shape."""
        return {}, {}

    def _hidden_parameters(self) -> int:
        """How many parameters the core has besides those of `_weight_shapes`."""
        return 0

    def _features(self, row: Row) -> int:
        """The number of features of rows that are vectors; ValueError for others."""
        if len(row) == 1:
            return self._last(row)
        raise ValueError(
            f"layer {self.name or type(self).__name__}: found rows of shape {row}, wanted "
            "vectors: Flatten() before it makes them"
        )

    def _last(self, row: Row) -> int:
        """The size of the last dimension of rows; ValueError if the layer's axis is another."""
        if self.axis not in (-1, len(row)):
            raise ValueError(
                f"layer {self.name or type(self).__name__}: axis: found {self.axis!r} for rows of "
                f"shape {row}, wanted -1 (the last one): Permute() before and after it moves axes"
            )
        return row[-1] if row else 1

    def _steps_and_features(self, row: Row) -> tuple[int, int]:
        """The two sizes of rows that are vectors one after another; ValueError for others."""
        if len(row) != 2:
            raise ValueError(
                f"layer {self.name or type(self).__name__}: found rows of shape {row}, wanted "
                "(steps, features)"
            )
        return row[0], row[1]

    def _only(self, inputs: Sequence[Any]) -> Any:
        """The input of a layer that takes one."""
        if len(inputs) != 1:
            raise ValueError(
                f"layer {self.name or type(self).__name__}: found {len(inputs)} inputs, wanted one"
            )
        return inputs[0]

    # The plan -----------------------------------------------------------------------------------

    def _plan(self, plan: Plan) -> None:
        """Append the layer's form in the core, with `plan.here` as the input."""
        raise NotImplementedError(f"{type(self).__name__}: wanted a layer, such as Dense")

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        """Append the layer's form in the core, with these inputs; returns its outputs."""
        row = self._only(sources).row
        if self._takes_vectors:
            self._last(row)
        if len(row) == 1 or not self._takes_vectors:
            return [self._lower_one(plan, sources[0])]
        pieces: list[Source] = []
        for piece in self._vectors(plan, sources[0]):
            plan.go_to(piece)
            plan.close()
            pieces.append(self._lower_one(plan, piece))
        return [Source(-2, 0, (*row[:-1], *pieces[0].row), tuple(pieces))]

    def _lower_one(self, plan: Plan, source: Source) -> Source:
        """Append the layer's form in the core for rows, or for one vector of each."""
        plan.go_to(source)
        self._plan(plan)
        if isinstance(self.activity_regularizer, regularizers.FunctionRegularizer):
            penalise(plan, self.activity_regularizer)
        plan.penalise(regularizers.factors(self.activity_regularizer))
        return plan.here

    @property
    def _takes_vectors(self) -> bool:
        """Whether of rows of several dimensions each vector along the last one is taken by itself,
        as Keras does; else all elements are alike to the layer, or it refuses such rows."""
        return False

    def _vectors(self, plan: Plan, source: Source) -> Sequence[Source]:
        """The vectors along the last dimension of rows."""
        if source.pieces and len(source.pieces[0].row) == 1:
            return source.pieces
        source = plan.whole(source)
        size = source.row[-1]
        if source.layer < 0 or source.width == size:
            firsts = range(source.first, source.first + source.width, size)
            return [Source(source.layer, first, (size,)) for first in firsts]
        return [plan.columns(source, first, size) for first in range(0, source.width, size)]

    def _fan_in(self, row: Row) -> int | None:
        """How many inputs a unit has, for rows of that shape; None: the layer has no such units."""
        return None

    def _core_multipliers(self, row: Row) -> list[list[float]]:
        """[learning rate's, weight decay's] for each array; empty when all are 1."""
        both = self.learning_rate_multiplier, self.weight_decay_multiplier
        if not any(both):
            return []
        fan_in = self._fan_in(row)
        texts = [value for found in both for value in found.values() if isinstance(value, str)]
        if fan_in is None and texts:
            raise ValueError(
                f"layer {self.name or type(self).__name__}: found the multiplier {texts[0]!r}, "
                "wanted a number: its arrays have no fan_in, which is that of dense layers"
            )
        return [
            [resolved(found.get(name, 1.0), fan_in or 1) for found in both]
            for name in self.parameter_names
        ]

    # How a layer was called matters to custom layers only; see `Node.form`.

    def _rows_of_call(self, rows: list[Row], form: Any) -> list[Row]:
        return self._output_rows(rows)

    def _lower_call(self, plan: Plan, sources: list[Source], form: Any) -> list[Source]:
        return self._lower(plan, sources)
