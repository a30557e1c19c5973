"""The modules that PyTorch itself lacks; this file alone defines classes of PyTorch's."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


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


class Exponential(nn.Module):
    """exp(x)"""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


class ClippedReLU(nn.Module):
    """ReLU with Keras's negative slope, largest value and threshold."""

    def __init__(self, negative_slope: float, max_value: float | None, threshold: float) -> None:
        super().__init__()
        self.negative_slope, self.max_value = negative_slope, max_value
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        above = x if self.max_value is None else x.clamp(max=self.max_value)
        below = self.negative_slope * (x - self.threshold)
        return torch.where(x > self.threshold, above, below)


class Squareplus(nn.Module):
    """(x + sqrt(x² + b)) / 2"""

    def __init__(self, b: float) -> None:
        super().__init__()
        self.b = b

    def forward(self, x: Tensor) -> Tensor:
        return (x + torch.sqrt(x * x + self.b)) / 2


class SparsePlus(nn.Module):
    """x above 1, 0 below -1, and (x + 1)² / 4 between."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 1, x, ((x.clamp(-1, 1) + 1) / 2) ** 2)


class SparseSigmoid(nn.Module):
    """(x + 1) / 2, at least 0 and at most 1."""

    def forward(self, x: Tensor) -> Tensor:
        return ((x + 1) / 2).clamp(0, 1)
