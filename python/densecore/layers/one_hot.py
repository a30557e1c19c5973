"""A dense layer of numbers and categories, whose indicators are never made."""

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import initializers, regularizers
from .._base import checks
from .._base.dtypes import Array
from .activation import Activation
from .arguments import MULTIPLIERS, multipliers, resolved
from .composed import Composed
from .dense import Dense
from .embedding import Embedding
from .shapes import Flatten
from .symbols import Symbol


class _OfFans(initializers.Initializer):
    """An initializer with the fans of the whole kernel, of which an array is a part."""

    def __init__(self, inner: initializers.Initializer, fan_in: int, fan_out: int) -> None:
        self._inner, self._fans = inner, (fan_in, fan_out)

    def fill(self, out: Array, fan_in: int, fan_out: int, model_seed: int, tensor: int) -> None:
        self._inner.fill(out, *self._fans, model_seed, tensor)

    def get_config(self) -> dict[str, Any]:
        return self._inner.get_config()


class OneHotDense(Composed):
    """f(W x + b) of numbers and of categories with an indicator each, which are never made.

    Rows are numbers, then the numbers of their categories: 0, 1, … of each of the last columns.
    With indicators in their place a dense layer would multiply by zeros; here the row of the kernel
    that a category's indicator would choose is added: Σ_j x_j kernel_j + Σ_c table_c[x_c] + b. As
    in `Embedding`, an optimizer leaves the rows of categories that a batch does not have alone.

    Parameters
    ----------
    units : int
    categories : sequence of int
        How many each of the last columns has.
    activation : str or Activation, optional
    use_bias : bool, default True
    missing : bool, default False
        Whether a number that is no category, as of a missing or unseen one, counts as category 0;
        else it is an error.
    kernel_initializer : str or Initializer, default "glorot_uniform"
        Of kernel and tables together, with the fan-in that indicators would have.
    bias_initializer : str or Initializer, default "zeros"
    kernel_regularizer : str or Regularizer, optional
        Of kernel and tables.
    name, trainable, learning_rate_multiplier, weight_decay_multiplier
        See `Layer`; those of ``"kernel"`` are also the tables', with the fan-in of indicators.

    Attributes
    ----------
    kernel : ndarray (numbers, units) or None
    bias : ndarray (units,) or None
    tables : list of ndarray (categories, units)

    Raises
    ------
    TypeError, ValueError
        An argument of another type or out of range; in a model, fewer columns than categories have,
        or numbers that are no categories.

    Examples
    --------
    >>> import densecore as dc, numpy as np
    >>> model = dc.Sequential([dc.Input(4), dc.layers.OneHotDense(8, [3, 100], "relu")], seed=0)
    >>> model.predict(np.array([[0.5, -1.2, 2, 41]]), verbose=0).shape
    (1, 8)
    """

    config_names: ClassVar[tuple[str, ...]] = (
        "units", "categories", "activation", "use_bias", "missing", "kernel_initializer",
        "bias_initializer", "kernel_regularizer",
    )  # fmt: skip

    def __init__(
        self,
        units: int,
        categories: Sequence[int],
        activation: Any = None,
        use_bias: bool = True,
        missing: bool = False,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        kernel_regularizer: "str | regularizers.Regularizer | None" = None,
        **general: Any,
    ) -> None:
        kind = "OneHotDense"
        limits: dict[str, dict[str, float]] = {
            MULTIPLIERS[0]: {"above": 0},
            MULTIPLIERS[1]: {"least": 0},
        }
        given_multipliers = {
            key: multipliers(f"{kind}: {key}", general.pop(key, None), ("kernel", "bias"), **most)
            for key, most in limits.items()
        }
        super().__init__(**general)
        vars(self).update(given_multipliers)
        self.units = checks.width(f"{kind}: units", units)
        given = checks.listed(f"{kind}: categories", categories)
        self.categories = [checks.width(f"{kind}: categories", count) for count in given]
        if not self.categories:
            raise ValueError(f"{kind}: categories: found none, wanted the number of each column's")
        self.activation = Activation(activation).activation
        self.use_bias = checks.flag(f"{kind}: use_bias", use_bias)
        self.missing = checks.flag(f"{kind}: missing", missing)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any = None) -> None:
        numbers = input_shape[-1] - len(self.categories)
        if len(input_shape) != 2 or numbers < 0:
            raise ValueError(
                f"layer {self.name or 'one_hot_dense'}: found rows of shape {input_shape[1:]}, "
                f"wanted vectors of numbers and of {len(self.categories)} categories"
            )
        fan_in = numbers + sum(self.categories)
        initializer = _OfFans(self.kernel_initializer, fan_in, self.units)
        given: dict[str, Any] = {
            key: {name: resolved(value, fan_in) for name, value in getattr(self, key).items()}
            for key in MULTIPLIERS
        }
        of_tables: dict[str, Any] = {
            key: {"embeddings": found["kernel"]}
            for key, found in given.items()
            if "kernel" in found
        }
        self._of_numbers = None
        if numbers:
            self._of_numbers = Dense(
                self.units, use_bias=self.use_bias, kernel_initializer=initializer,
                bias_initializer=self.bias_initializer,
                kernel_regularizer=self.kernel_regularizer, name="numbers", **given,
            )  # fmt: skip
        elif self.use_bias:
            self._bias = self.add_weight((self.units,), self.bias_initializer, name="bias")
        self._tables = [
            Embedding(
                count,
                self.units,
                initializer,
                self.kernel_regularizer,
                missing=self.missing,
                name=f"categories_{place}",
                **of_tables,
            )
            for place, count in enumerate(self.categories)
        ]

    def call(self, inputs: Any) -> Any:
        """The function of symbols."""
        numbers = inputs.shape[-1] - len(self.categories)
        found = None if self._of_numbers is None else self._of_numbers(inputs[:, :numbers])
        for place, table in enumerate(self._tables, numbers):
            rows = Flatten()(table(inputs[:, place : place + 1]))
            found = rows if found is None else found + rows
        if self._of_numbers is None and self.use_bias:
            found = found + self._bias
        return Activation(self.activation)(found)

    @property
    def kernel(self) -> Array | None:
        """W of the numbers, a view; None without numbers."""
        return None if self._of_numbers is None else self._of_numbers.kernel

    @property
    def bias(self) -> Array | None:
        """b, a view; None without it."""
        if not self.use_bias:
            return None
        found: Array | None = (
            self._bias.value if self._of_numbers is None else self._of_numbers.bias
        )
        return found

    @property
    def tables(self) -> list[Array]:
        """W of the categories' indicators, a view for each column of categories."""
        return [table.embeddings for table in self._tables]


Symbol.operators["one hot dense"] = OneHotDense
