"""A trained network as a list of array operations, from which all files are exported.

An operation takes values by their numbers and makes the next value: the first values are the
inputs, then follow the outputs of operations in their order. All arrays are (rows, features); rows
of several dimensions are vectors, in the order of memory. Parameters are copies, so that a program
does not change when its model is trained further.
"""

import math
from dataclasses import dataclass, field

from .. import activations
from .._base.dtypes import Array
from ..layers.activation_argument import UserActivation
from ..layers.lowering import Row


@dataclass(frozen=True)
class Operation:
    """One step of a program.

    Attributes
    ----------
    layer : str
        Name of the layer that it belongs to, for messages and names in files.
    inputs : tuple of int
        The values that it takes.
    width : int
        Features of the value that it makes.
    """

    layer: str
    inputs: tuple[int, ...]
    width: int


@dataclass(frozen=True)
class Dense(Operation):
    """x · kernel + bias, the note's Eq. 1; kernel (inputs, units), bias (units,) or None.

    A value of several times `inputs` features is as many vectors, one after another, each of which
    is multiplied: rows of several dimensions.
    """

    kernel: Array = field(repr=False)
    bias: Array | None = field(repr=False, default=None)

    @property
    def vectors(self) -> int:
        """How many vectors a value is."""
        _, units = self.kernel.shape
        return self.width // int(units)


@dataclass(frozen=True)
class Function(Operation):
    """An activation of ``densecore.activations``, element by element or row by row.

    Attributes
    ----------
    vectors : int
        Equal parts of the value, each of which is a row to the activation.
    """

    activation: activations.Activation
    vectors: int = 1


@dataclass(frozen=True)
class ColumnNormalization(Operation):
    """((x - mean) · factor) · scale + shift for each feature; all (features,), or None: without.

    In this order, as in the core: products of x with mean · factor would cancel.
    """

    mean: Array | None = field(repr=False)
    factor: Array = field(repr=False)
    scale: Array | None = field(repr=False, default=None)
    shift: Array | None = field(repr=False, default=None)


@dataclass(frozen=True)
class RowNormalization(Operation):
    """(x - mean) / sqrt(mean square + epsilon) of each group of a row's features, then · scale +
    shift where given.

    Attributes
    ----------
    centered : bool
        Whether the mean is subtracted; else the squares are those of x itself.
    groups : int
        Equal parts of the row.
    summed : bool
        The sum of the squares in place of their mean.
    """

    epsilon: float
    centered: bool = True
    groups: int = 1
    summed: bool = False
    scale: Array | None = field(repr=False, default=None)
    shift: Array | None = field(repr=False, default=None)


@dataclass(frozen=True)
class Periodic(Operation):
    """Each of the first columns x becomes x and, for each k, the sum over f of kernel[k, f]
    cos(2π frequencies[f] x + phases[f]) + bias[k]; the other columns follow.

    frequencies and phases (columns, f), kernel (columns, k, f), bias (columns, k).
    """

    frequencies: Array = field(repr=False)
    phases: Array = field(repr=False)
    kernel: Array = field(repr=False)
    bias: Array = field(repr=False)


@dataclass(frozen=True)
class Merge(Operation):
    """Several values as one: ``add``, ``subtract``, ``multiply``, ``average``, ``maximum``,
    ``minimum`` element by element, or ``concatenate``. A value of one feature goes with each
    element of the others."""

    kind: str


@dataclass(frozen=True)
class Dot(Operation):
    """a · bᵀ of two matrices of `rows` and `size` numbers each; where `across`, one is stored
    column by column: (size, rows).
    """

    rows: tuple[int, int]
    size: int
    across: tuple[bool, bool]


@dataclass(frozen=True)
class Columns(Operation):
    """Features of a value from `first` on."""

    first: int


@dataclass(frozen=True)
class Permutation(Operation):
    """The dimensions of a row of that shape in another order, from 0."""

    shape: Row
    order: tuple[int, ...]


@dataclass(frozen=True)
class Pool(Operation):
    """The ``mean`` or the ``maximum`` of a value's equal parts, element by element."""

    kind: str
    parts: int


@dataclass(frozen=True)
class Embedding(Operation):
    """Row number x of a table, for each x of the value; table (categories, units).

    Attributes
    ----------
    missing : bool
        Whether what is no category takes row 0, else it is a mistake.
    """

    table: Array = field(repr=False)
    missing: bool


@dataclass(frozen=True)
class Intervals(Operation):
    """How many of the boundaries, which increase, are not above each element; all for a NaN."""

    boundaries: Array = field(repr=False)


@dataclass(frozen=True)
class Lookup(Operation):
    """A number for each element: of a text, or of an element's whole part, that is known, else
    `other`."""

    keys: tuple[str, ...] | tuple[int, ...] = field(repr=False)
    numbers: tuple[int, ...] = field(repr=False)
    other: int

    @property
    def of_texts(self) -> bool:
        """Whether the elements are texts."""
        return any(isinstance(key, str) for key in self.keys)


@dataclass(frozen=True)
class Indicators(Operation):
    """For each `group` of numbers, one after another, a column for each category: whether it is
    among them, or, `counted`, how often."""

    categories: int
    group: int
    counted: bool


@dataclass(frozen=True)
class Element(Operation):
    """One of NumPy's functions of each element, or of each and a number, by its name."""

    function: str
    constant: float | None = None
    constant_first: bool = False


@dataclass(frozen=True)
class Port:
    """An input or an output of a program: a name, the shape of a row, the value's number, and
    whether its elements are texts."""

    name: str
    row: Row
    value: int
    is_text: bool = False

    @property
    def width(self) -> int:
        """Features: elements of a row."""
        return math.prod(self.row)


@dataclass
class Program:
    """The inference of one network.

    Attributes
    ----------
    name, dtype : str
    takes, gives : list of Port
        Inputs and outputs; of one each they are called ``x`` and ``y``.
    operations : list of Operation
    taken, rows : list
        While it is built: the values that the next layer takes, and the shapes of their rows.
    """

    name: str
    dtype: str
    takes: list[Port]
    gives: list[Port] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    taken: list[int] = field(default_factory=lambda: [0])
    rows: list[Row] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """Features of all inputs."""
        return sum(port.width for port in self.takes)

    @property
    def outputs(self) -> int:
        """Features of all outputs."""
        return sum(port.width for port in self.gives)

    @property
    def values(self) -> int:
        """The number of values."""
        return len(self.takes) + len(self.operations)

    def width(self, value: int) -> int:
        """Features of a value, by its number."""
        first = len(self.takes)
        return self.takes[value].width if value < first else self.operations[value - first].width

    @property
    def last(self) -> int:
        """The number of the value that the next operation takes."""
        return self.taken[0]

    def add(self, operation: Operation) -> int:
        """Append an operation; the next one takes its value, whose number is returned."""
        self.operations.append(operation)
        self.taken = [self.values - 1]
        return self.values - 1

    def append_function(
        self,
        layer: str,
        activation: activations.Activation | UserActivation | str,
        vectors: int = 1,
    ) -> None:
        """Append an activation of the last value, which is so many vectors, unless it is linear.

        Raises
        ------
        ValueError
            It is a pair of Python functions, which no other program can run.
        """
        if isinstance(activation, UserActivation):
            raise ValueError(
                f"layer {layer}: found an activation that is a Python function, wanted one of: "
                + ", ".join(activations.names())
            )
        found = activations.get(activation)
        if found.name != "linear":
            self.add(Function(layer, (self.last,), self.width(self.last), found, vectors))
