"""Rows of a table for whole numbers: categories as vectors that are learnt."""

from typing import Any, ClassVar

from .. import constraints, initializers, regularizers
from .._base import checks
from .._base.dtypes import Array
from .arrays import Shapes, assign, given_ones
from .base import Layer
from .lowering import Plan, Row, Source
from .masks import Mask


class Embedding(Layer):
    """Row number x of a table, for each x of the input.

    Stands on an ``Input`` (``Flatten``, ``Reshape`` and ``Identity`` may be between): numbers that
    a layer has computed are no categories. Training changes the rows alone whose categories are in
    the batch, and of the optimizer's averages those of these rows (as PyTorch's SparseAdam), unless
    there is a penalty or an average of all weights.

    Parameters
    ----------
    input_dim : int
        Rows of the table: categories are 0 to input_dim - 1.
    output_dim : int
        Columns: the length of a category's vector.
    embeddings_initializer : str or Initializer, default "uniform"
    embeddings_regularizer, embeddings_constraint : optional
        As a dense layer's.
    mask_zero : bool, default False
        Whether category 0 stands for no step: `GlobalAveragePooling1D` leaves it out.
    input_length : int, optional
        The number of categories in a row; Keras's older argument.
    weights : list of one array (input_dim, output_dim), optional
        The table's first values.
    missing : bool, default False
        Whether anything else than a category (a number out of range, NaN) takes row 0; otherwise it
        is refused. Not in Keras.

    Attributes
    ----------
    embeddings : ndarray (input_dim, output_dim)
        A view.

    Raises
    ------
    ValueError, TypeError
        A size that is no integer >= 1; in a model, an input that is computed.
    """

    _takes_numbers: ClassVar[bool] = True
    parameter_names: ClassVar[tuple[str, ...]] = ("embeddings",)
    config_names: ClassVar[tuple[str, ...]] = (
        "input_dim",
        "output_dim",
        "embeddings_initializer",
        "embeddings_regularizer",
        "embeddings_constraint",
        "missing",
    )

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: str | initializers.Initializer = "uniform",
        embeddings_regularizer: "str | regularizers.Regularizer | None" = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        missing: bool = False,
        input_length: int | None = None,
        **general: Any,
    ) -> None:
        if input_length is not None:
            general.setdefault("input_shape", (input_length,))
        super().__init__(**general)
        self.input_dim = checks.width("Embedding: input_dim", input_dim)
        self.output_dim = checks.width("Embedding: output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = checks.flag("Embedding: mask_zero", mask_zero)
        self.missing = checks.flag("Embedding: missing", missing)
        self._constraints = given_ones(embeddings=self.embeddings_constraint)
        self._first_values = weights

    @property
    def embeddings(self) -> Array:
        """The table, a view (input_dim, output_dim)."""
        return self._built_views()[0]["embeddings"]

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else (*row, self.output_dim)

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        return {"embeddings": (self.input_dim, self.output_dim)}, {}

    def _plan(self, plan: Plan) -> None:
        if plan.here.layer >= 0:
            raise ValueError(
                f"layer {self.name or 'embedding'}: found an input that a layer computes, wanted "
                "that of the model: categories are whole numbers"
            )
        row = self._output_row(plan.row)
        assert row is not None
        spec = {
            "kind": "embedding",
            "categories": self.input_dim,
            "units": self.output_dim,
            "missing": self.missing,
            "trainable": self._trainable,
            "penalties": [regularizers.factors(self.embeddings_regularizer), [0.0, 0.0]],
        }
        plan.add(spec, plan.width * self.output_dim, layer=self)
        plan.close(row)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        outputs = super()._lower(plan, sources)
        if self.mask_zero and len(sources[0].row) == 1:
            plan.masks[outputs[0]] = Mask(sources[0], lambda x: x != 0)
        return outputs

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` makes an equal layer; JSON-able."""
        return {**super().get_config(), **({"mask_zero": True} if self.mask_zero else {})}

    def _initialize(self, seed: int, number: int) -> None:
        table = self.embeddings
        tensor = 2**20 + 2 * (self._core_index or 0)
        self.embeddings_initializer.fill(table, self.input_dim, self.output_dim, seed, tensor)
        if self._first_values is not None:
            assign([table], self._first_values)
