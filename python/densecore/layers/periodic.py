"""Layers that give a model's inputs a better form: a factor of each, and periodic functions."""

import math
from typing import Any, ClassVar

from .. import initializers
from .._base import checks
from .._base.dtypes import Array
from .arrays import Shapes
from .base import Layer
from .lowering import Plan, Row


class Scale(Layer):
    """scale x, with a factor of each feature that is learnt.

    As the first layer of a network, with a high learning rate, it chooses among the features
    (Holzmüller, Grinsztajn & Steinwart, *Better by default*, 2024).

    Parameters
    ----------
    initializer : str or Initializer, default "ones"
    name, trainable, learning_rate_multiplier
        See `Layer`.

    Attributes
    ----------
    scale : ndarray (units,)

    Examples
    --------
    >>> import densecore as dc
    >>> layer = dc.layers.Scale(learning_rate_multiplier=6)
    >>> model = dc.Sequential([dc.Input(3), layer, dc.Dense(1)], seed=0)
    >>> layer.scale
    array([1., 1., 1.], dtype=float32)
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("scale",)
    config_names: ClassVar[tuple[str, ...]] = ("initializer",)

    def __init__(
        self, initializer: str | initializers.Initializer = "ones", **general: Any
    ) -> None:
        super().__init__(**general)
        self.initializer = initializers.get(initializer)

    @property
    def scale(self) -> Array:
        """The factor of each feature."""
        return self._built_views()[0]["scale"]

    def _plan(self, plan: Plan) -> None:
        self._features(plan.row)
        plan.add({"kind": "scale", "trainable": self._trainable}, layer=self)

    def _output_row(self, row: Row | None) -> Row | None:
        if row is not None:
            self._features(row)
        return row

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        return {"scale": (self._features(row),)}, {}

    def _initialize(self, seed: int, number: int) -> None:
        array = self.scale
        tensor = 2**21 + 4 * (self._core_index or 0)
        self.initializer.fill(array, array.size, array.size, seed, tensor)


class PeriodicEmbedding(Layer):
    """Columns of numbers as themselves and as sums of cosines, learnt for each column by itself.

    Column x becomes x and, for k < units - 1,
    Σ_f kernel[k, f] cos(2π frequencies[f] x + phases[f]) + bias[k]. With them a network can follow
    a function that changes fast along a column. This is the PBLD of Holzmüller, Grinsztajn &
    Steinwart, *Better by default*, 2024, after Gorishniy, Rubachev & Babenko, *On embeddings for
    numerical features*, 2022.

    Parameters
    ----------
    columns : int, optional
        So many columns, the first ones, are embedded, and the others follow as they are (indicators
        of categories). By default all.
    units : int, default 4
        Outputs of a column, itself among them; from 2 to 4096.
    frequencies : int, default 16
        Cosines of a column; from 1 to 4096.
    sigma : float, default 0.1
        The deviation of the first frequencies, for columns of about unit scale. The larger, the
        faster the functions change that are easily learnt, and the easier they follow noise.
    name, trainable, learning_rate_multiplier
        See `Layer`.

    Attributes
    ----------
    frequencies_, phases : ndarray (columns, frequencies)
        They start normal with deviation `sigma`, and uniform in ±π.
    kernel : ndarray (columns * (units - 1), frequencies)
    bias : ndarray (columns, units - 1)
        Both start uniform in ±1/√frequencies.

    Raises
    ------
    TypeError, ValueError
        Numbers of another type or out of range; in a model, more columns than features.

    Examples
    --------
    >>> import densecore as dc
    >>> embedding = dc.layers.PeriodicEmbedding(columns=2)
    >>> dc.Sequential([dc.Input(5), embedding, dc.Dense(1)], seed=0).layers[0].output_shape
    (None, 11)
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("frequencies", "phases", "kernel", "bias")
    config_names: ClassVar[tuple[str, ...]] = ("columns", "units", "frequencies", "sigma")

    def __init__(
        self,
        columns: int | None = None,
        units: int = 4,
        frequencies: int = 16,
        sigma: float = 0.1,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        kind = "PeriodicEmbedding"
        self.columns = None if columns is None else checks.integer(f"{kind}: columns", columns, 1)
        self.units = checks.integer(f"{kind}: units", units, 2, 4096)
        self.frequencies = checks.integer(f"{kind}: frequencies", frequencies, 1, 4096)
        self.sigma = checks.number(f"{kind}: sigma", sigma, above=0)

    @property
    def frequencies_(self) -> Array:
        """The frequencies of each column, in turns per unit."""
        return self._built_views()[0]["frequencies"]

    @property
    def phases(self) -> Array:
        """The phases of each column, in radians."""
        return self._built_views()[0]["phases"]

    @property
    def kernel(self) -> Array:
        """The factors of the cosines, a view (columns * (units - 1), frequencies)."""
        return self._built_views()[0]["kernel"]

    @property
    def bias(self) -> Array:
        """The summands, a view (columns, units - 1)."""
        return self._built_views()[0]["bias"]

    def _embedded(self, row: Row) -> int:
        """The number of columns that are embedded; ValueError when there are fewer."""
        features = self._features(row)
        if self.columns is not None and self.columns > features:
            raise ValueError(
                f"layer {self.name or 'periodic_embedding'}: columns: found {self.columns}, wanted "
                f"at most {features}, the number of features"
            )
        return features if self.columns is None else self.columns

    def _plan(self, plan: Plan) -> None:
        columns = self._embedded(plan.row)
        plan.add(
            {
                "kind": "periodic_embedding",
                "columns": columns,
                "units": self.units,
                "frequencies": self.frequencies,
                "trainable": self._trainable,
            },
            plan.width + columns * (self.units - 1),
            layer=self,
        )

    def _output_row(self, row: Row | None) -> Row | None:
        if row is None:
            return None
        return (row[0] + self._embedded(row) * (self.units - 1),)

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        columns, further = self._embedded(row), self.units - 1
        return {
            "frequencies": (columns, self.frequencies),
            "phases": (columns, self.frequencies),
            "kernel": (columns * further, self.frequencies),
            "bias": (columns, further),
        }, {}

    def _initialize(self, seed: int, number: int) -> None:
        limit = 1 / math.sqrt(self.frequencies)
        starts = [
            (self.frequencies_, initializers.RandomNormal(0.0, self.sigma)),
            (self.phases, initializers.RandomUniform(-math.pi, math.pi)),
            (self.kernel, initializers.RandomUniform(-limit, limit)),
            (self.bias, initializers.RandomUniform(-limit, limit)),
        ]
        # Tensor numbers that no dense layer has.
        tensor = 2**21 + 4 * (self._core_index or 0)
        for place, (array, initializer) in enumerate(starts):
            initializer.fill(array, array.size, array.size, seed, tensor + place)
