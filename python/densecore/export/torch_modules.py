"""The modules that PyTorch itself lacks, but those of single elements (`torch_elements`).

These two files alone define classes of PyTorch's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .._data.matching import matched
from .._data.structures import leaves, packed


class FixedNormalization(nn.Module):
    """(x - mean) · factor + shift for each feature, with numbers that are not trained."""

    mean: Tensor
    factor: Tensor
    shift: Tensor

    def __init__(self, mean: Tensor, factor: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("factor", factor)
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.factor + self.shift


class UnitNormalization(nn.Module):
    """x / |x| for each row; a row of zeros stays 0."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(x, dim=-1, eps=1e-35)


class Scale(nn.Module):
    """scale x, with a factor of each feature that is learnt."""

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(scale)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class PeriodicEmbedding(nn.Module):
    """The first columns with sums of cosines of each, frequencies and phases (columns, f), kernel
    (columns, k, f), bias (columns, k); the other columns follow."""

    def __init__(self, frequencies: Tensor, phases: Tensor, kernel: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.frequencies, self.phases = nn.Parameter(frequencies), nn.Parameter(phases)
        self.kernel, self.bias = nn.Parameter(kernel), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        columns = len(self.frequencies)
        own = x[:, :columns, None]
        cosines = torch.cos(2 * torch.pi * own * self.frequencies + self.phases)
        sums = torch.einsum("ijf,jkf->ijk", cosines, self.kernel) + self.bias
        both = torch.cat([own, sums], dim=2).reshape(len(x), -1)
        return torch.cat([both, x[:, columns:]], dim=1)


class GaussianNoise(nn.Module):
    """In training, x plus normal noise of mean 0; outside training, x itself."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stddev * torch.randn_like(x) if self.training else x


class GaussianDropout(nn.Module):
    """In training, x times normal noise of mean 1 and variance rate / (1 - rate); outside training,
    x itself."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        deviation = (self.rate / (1 - self.rate)) ** 0.5
        return x * (1 + deviation * torch.randn_like(x)) if self.training else x


class Residual(nn.Module):
    """x + f(x), where f is a stack of modules."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.block = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class Embedding(nn.Module):
    """Row number x of a table, for each x, which may be a float.

    Parameters
    ----------
    table : Tensor (categories, units)
    missing : bool
        Whether what is no category takes row 0, else it is a mistake.
    """

    def __init__(self, table: Tensor, missing: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(table)
        self.missing = missing

    def forward(self, x: Tensor) -> Tensor:
        if self.missing:
            known = (x >= 0) & (x < len(self.weight)) & (x == x.floor())
            x = torch.where(known, x, torch.zeros_like(x))
        return nn.functional.embedding(x.long(), self.weight)


class RepeatVector(nn.Module):
    """Each vector n times: (rows, features) become (rows, n, features)."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        return x[:, None, :].expand(-1, self.n, -1)


class Columns(nn.Module):
    """The columns from `first` up to, and without, `last`."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.first, self.last = first, last

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.first : self.last]


class Permute(nn.Module):
    """The dimensions of each row in another order, from 1."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = tuple(dims)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, *self.dims)


class Pool(nn.Module):
    """The mean, or the ``maximum``, of the vectors of rows (steps, features)."""

    def __init__(self, kind: str, keepdims: bool) -> None:
        super().__init__()
        self.kind, self.keepdims = kind, keepdims

    def forward(self, x: Tensor) -> Tensor:
        function = torch.mean if self.kind == "mean" else torch.amax
        return function(x, dim=1, keepdim=self.keepdims)


class RowSum(nn.Module):
    """The sums, or the means, along some dimensions of rows; there may be none."""

    def __init__(self, dims: tuple[int, ...], mean: bool, keepdims: bool) -> None:
        super().__init__()
        self.dims, self.mean, self.keepdims = dims, mean, keepdims

    def forward(self, x: Tensor) -> Tensor:
        if not self.dims:  # PyTorch's sum over no dimensions is that over all
            return x
        function = torch.mean if self.mean else torch.sum
        return function(x, dim=self.dims, keepdim=self.keepdims)


class Spread(nn.Module):
    """Rows broadcast to another shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        ones = (1,) * (1 + len(self.shape) - x.dim())
        return x.reshape(len(x), *ones, *x.shape[1:]).expand(len(x), *self.shape)


class Intervals(nn.Module):
    """How many of the boundaries are not above each element."""

    boundaries: Tensor

    def __init__(self, boundaries: Tensor) -> None:
        super().__init__()
        self.register_buffer("boundaries", boundaries)

    def forward(self, x: Tensor) -> Tensor:
        return torch.bucketize(x, self.boundaries, right=True).to(self.boundaries.dtype)


class Lookup(nn.Module):
    """The number of the key that the whole part of each element is, or another one."""

    keys: Tensor
    numbers: Tensor

    def __init__(self, keys: Tensor, numbers: Tensor, other: float) -> None:
        super().__init__()
        self.register_buffer("keys", keys)
        self.register_buffer("numbers", numbers)
        self.other = other

    def forward(self, x: Tensor) -> Tensor:
        same = x.trunc().unsqueeze(-1) == self.keys
        found = torch.where(same, self.numbers, 0).sum(-1)
        return torch.where(same.any(-1), found, self.other)


class Indicators(nn.Module):
    """A column for each category: whether it is among the numbers of each group, or how often.

    Parameters
    ----------
    categories, group : int
    counted : bool
    row : sequence of int
        The shape of a row of the result.
    like : Tensor
        Of the dtype of the result.
    """

    like: Tensor

    def __init__(
        self, categories: int, group: int, counted: bool, row: Sequence[int], like: Tensor
    ) -> None:
        super().__init__()
        self.categories, self.group, self.counted = categories, group, counted
        self.row = tuple(row)
        self.register_buffer("like", like)

    def forward(self, x: Tensor) -> Tensor:
        numbers = torch.arange(self.categories, device=x.device)
        same = x.reshape(len(x), -1, self.group, 1) == numbers
        found = same.sum(2) if self.counted else same.any(2)
        return found.to(self.like.dtype).reshape(len(x), *self.row)


class Zeros(nn.Module):
    """One zero for each row."""

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), 1)


class Merge(nn.Module):
    """Several values as one, element by element or side by side.

    Parameters
    ----------
    kind : {"add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate"}
    axis : int, default -1
        Of ``concatenate``.
    """

    def __init__(self, kind: str, axis: int = -1) -> None:
        super().__init__()
        self.kind, self.axis = kind, axis

    def forward(self, *given: Tensor) -> Tensor:
        if self.kind == "concatenate":
            return torch.cat(given, dim=self.axis)
        function: Callable[[Tensor, Tensor], Tensor] = {
            "add": torch.add, "average": torch.add, "subtract": torch.sub, "multiply": torch.mul,
            "maximum": torch.maximum, "minimum": torch.minimum,
        }[self.kind]  # fmt: skip
        result = given[0]
        for other in given[1:]:
            result = function(result, other)
        return result / len(given) if self.kind == "average" else result


class Dot(nn.Module):
    """Scalar products along an axis of each of two values, of two or three dimensions."""

    def __init__(self, first: int, second: int, normalize: bool) -> None:
        super().__init__()
        self.first, self.second, self.normalize = first, second, normalize

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        rows = len(a)
        a, b = a.movedim(self.first, -1), b.movedim(self.second, -1)
        if self.normalize:
            a, b = (nn.functional.normalize(each, dim=-1, eps=1e-35) for each in (a, b))
        shape = [*a.shape[1:-1], *b.shape[1:-1]] or [1]
        a, b = (each.reshape(rows, math.prod(each.shape[1:-1]), -1) for each in (a, b))
        return (a @ b.transpose(1, 2)).reshape(rows, *shape)


class LayerGraph(nn.Module):
    """Modules that are called with each other's results.

    Parameters
    ----------
    modules : dict of str to Module
        By the names of the layers.
    calls : sequence of (name, inputs, outputs)
        Values are known by their numbers; each call comes after those whose results it takes.
    inputs, outputs : sequence of int
    input_names : sequence of str
    input_rows : sequence of tuple of int
        The shapes of their rows.
    input_structure, output_structure
        A leaf, or lists and dictionaries with a leaf for each.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        calls: Sequence[tuple[str, Sequence[int], Sequence[int]]],
        inputs: Sequence[int],
        outputs: Sequence[int],
        input_names: Sequence[str],
        input_rows: Sequence[tuple[int, ...]],
        input_structure: Any,
        output_structure: Any,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        keys: dict[str, str] = {}
        for name, module in modules.items():
            key = name.replace(".", "_")
            while hasattr(self.layers, key) or key in self.layers:
                key += "_"
            keys[name] = key
            self.layers[key] = module
        self.calls = [(keys[name], list(taken), list(made)) for name, taken, made in calls]
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.input_names, self.input_rows = list(input_names), list(input_rows)
        self.input_structure, self.output_structure = input_structure, output_structure

    def forward(self, *inputs: Any) -> Any:
        """One tensor for each input, one after another, in a list or tuple, or in a dictionary by
        name; a tensor, a tuple or a dictionary, as the model has its outputs."""
        structured = len(inputs) == 1 and isinstance(inputs[0], list | tuple | Mapping)
        given = inputs[0] if structured else list(inputs)
        if structured or len(self.inputs) > 1:
            given = matched("inputs", given, self.input_structure, self.input_names)
        if len(given) != len(self.inputs):
            raise ValueError(f"inputs: found {len(given)}, wanted {len(self.inputs)}")
        values = dict(zip(self.inputs, given, strict=True))
        for key, taken, made in self.calls:
            found = self.layers[key](*(values[value] for value in taken))
            values.update(zip(made, leaves(found), strict=True))
        result = packed(self.output_structure, [values[value] for value in self.outputs])
        return tuple(result) if isinstance(result, list) else result
