"""PyTorch: eager, eager with the fused optimizer, and the whole step compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from contestant import Array, LeftOutError, Problem, Weights
from densecore.cli.workloads import ADAM_EPSILON

library = "torch"

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def _tensor(array: Array) -> torch.Tensor:
    return torch.from_numpy(array.copy())


def _module(problem: Problem, *, softmax: bool) -> nn.Sequential:
    """The network; without its last softmax where the loss contains it."""
    parts: list[nn.Module] = []
    for (inputs, units, activation), kernel, bias in zip(
        problem.workload.layers, problem.weights[::2], problem.weights[1::2], strict=True
    ):
        linear = nn.Linear(inputs, units, dtype=getattr(torch, problem.workload.dtype))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(kernel.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias))
        parts.append(linear)
        if activation in ACTIVATIONS:
            parts.append(ACTIVATIONS[activation]())
        elif activation == "softmax" and softmax:
            parts.append(nn.Softmax(dim=1))
    return nn.Sequential(*parts)


class Eager:
    name = "PyTorch"
    fused = False

    def __init__(self, problem: Problem) -> None:
        torch.set_num_threads(problem.threads)
        workload = problem.workload
        self.module = _module(problem, softmax=False)
        # cross_entropy wants 64-bit class numbers.
        self.batches = [
            (_tensor(x), _tensor(y.astype(np.int64) if workload.sparse else y))
            for x, y in (problem.batch(index) for index in range(problem.batches))
        ]
        self.loss: Any = nn.functional.cross_entropy if workload.sparse else nn.functional.mse_loss
        rate, fused = workload.learning_rate, self.fused or None
        self.optimizer: torch.optim.Optimizer
        if workload.optimizer == "adam":
            self.optimizer = torch.optim.Adam(
                self.module.parameters(), lr=rate, eps=ADAM_EPSILON, fused=fused
            )
        else:
            self.optimizer = torch.optim.SGD(self.module.parameters(), lr=rate, fused=fused)

    def epoch(self) -> None:
        module, loss, optimizer = self.module, self.loss, self.optimizer
        for x, y in self.batches:
            optimizer.zero_grad(set_to_none=True)
            loss(module(x), y).backward()
            optimizer.step()

    def parameters(self) -> Weights:
        arrays = [p.detach().numpy() for p in self.module.parameters()]
        return [array.T.copy() if array.ndim == 2 else array.copy() for array in arrays]


class Fused(Eager):
    name = "PyTorch, fused optimizer"
    fused = True


class Compiled(Eager):
    """Forward, backward and update as one graph: gradients by torch.func, the update in place."""

    name = "PyTorch, compiled step"
    slow_to_start = True

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        workload = problem.workload
        self.values = {name: p.detach().clone() for name, p in self.module.named_parameters()}
        self.m = {name: torch.zeros_like(p) for name, p in self.values.items()}
        self.v = {name: torch.zeros_like(p) for name, p in self.values.items()}
        # Numbers that change are tensors: a Python number would be compiled in.
        self.powers = torch.ones(2, dtype=torch.float64)
        module, loss, rate = self.module, self.loss, workload.learning_rate

        def cost(values: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = loss(torch.func.functional_call(module, values, (x,)), y)
            return result

        def sgd(values: Any, m: Any, v: Any, powers: Any, x: Any, y: Any) -> None:
            gradients = torch.func.grad(cost)(values, x, y)
            for name, value in values.items():
                value.sub_(gradients[name], alpha=rate)

        def adam(values: Any, m: Any, v: Any, powers: Any, x: Any, y: Any) -> None:
            gradients = torch.func.grad(cost)(values, x, y)
            powers.mul_(torch.tensor([0.9, 0.999], dtype=torch.float64))
            root = torch.sqrt(1 - powers[1])
            step = (rate * root / (1 - powers[0])).to(x.dtype)
            epsilon = (ADAM_EPSILON * root).to(x.dtype)
            for name, value in values.items():
                gradient = gradients[name]
                m[name].mul_(0.9).add_(gradient, alpha=0.1)
                v[name].mul_(0.999).addcmul_(gradient, gradient, value=0.001)
                value.sub_(step * m[name] / (v[name].sqrt() + epsilon))

        torch._dynamo.reset()
        self.step = torch.compile(
            adam if workload.optimizer == "adam" else sgd, fullgraph=True, dynamic=False
        )

    def epoch(self) -> None:
        step, values, m, v, powers = self.step, self.values, self.m, self.v, self.powers
        with torch.no_grad():
            for x, y in self.batches:
                try:
                    step(values, m, v, powers, x, y)
                except Exception as error:  # whatever a compiler may raise
                    raise LeftOutError(f"torch.compile failed: {error}") from error

    def parameters(self) -> Weights:
        arrays = [p.numpy() for p in self.values.values()]
        return [array.T.copy() if array.ndim == 2 else array.copy() for array in arrays]


class Predict:
    name = "PyTorch"

    def __init__(self, problem: Problem) -> None:
        torch.set_num_threads(problem.threads)
        self.module = _module(problem, softmax=True).eval()
        self.x = _tensor(problem.asked)
        self.last: torch.Tensor | None = None

    def repeat(self, count: int) -> None:
        module, x = self.module, self.x
        with torch.inference_mode():
            for _ in range(count):
                self.last = module(x)

    def output(self) -> Array:
        assert self.last is not None
        return self.last.numpy()


class PredictCompiled(Predict):
    name = "PyTorch, compiled"
    slow_to_start = True

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        torch._dynamo.reset()
        self.module = torch.compile(self.module, fullgraph=True, dynamic=False)


trainings = [Eager, Fused, Compiled]
predictions = [Predict, PredictCompiled]
