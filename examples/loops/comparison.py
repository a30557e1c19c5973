"""What the examples share: their options, the network, and the same network in PyTorch to compare.

The loop itself is the same program for both: only what makes the networks is exchanged.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import densecore as dc

Array = NDArray[np.float32]
# Widths of the layers, learning rate, seed -> a network with tanh in its hidden layers.
Make = Callable[[list[int], float, int], Any]

CALLS = (
    "predict_on_batch",
    "forward",
    "backward",
    "apply_gradients",
    "input_derivatives",
    "backward_derivatives",
)


def parse(description: str | None, arguments: Sequence[str] | None) -> argparse.Namespace:
    """What all examples here can be told."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--plot", metavar="FILE", help="write a picture")
    made.add_argument("--compare", action="store_true", help="time the loop with PyTorch, too")
    made.add_argument("--quick", action="store_true", help="a short training")
    return made.parse_args(arguments)


def densecore_network(widths: list[int], learning_rate: float, seed: int) -> dc.Sequential:
    """The network that the examples train."""
    hidden = [dc.Dense(units, "tanh") for units in widths[1:-1]]
    model = dc.Sequential([dc.Input(widths[0]), *hidden, dc.Dense(widths[-1])], seed=seed)
    # The loss is a formality: these loops bring derivatives of their own to `backward`.
    model.compile(dc.optimizers.Adam(learning_rate), "mse")
    return model


def torch_network(widths: list[int], learning_rate: float, seed: int) -> Any:
    """The same network, from the same weights, with the same calls; as quick as eager PyTorch gets:
    tensors on NumPy's memory, inference mode, the fused optimizer, no loss in the graph."""
    import torch
    from torch import nn

    torch.set_num_threads(1)

    class Adam(torch.optim.Adam):
        @property
        def learning_rate(self) -> float:
            return float(self.param_groups[0]["lr"])

        @learning_rate.setter
        def learning_rate(self, value: float) -> None:
            self.param_groups[0]["lr"] = value

    class Twin:
        def __init__(self) -> None:
            parts: list[nn.Module] = []
            for inputs, units in itertools.pairwise(widths):
                parts += [nn.Linear(inputs, units), nn.Tanh()]
            self.module = nn.Sequential(*parts[:-1])
            weights = densecore_network(widths, learning_rate, seed).get_weights()
            self.flat = torch.empty(sum(w.size for w in weights))
            start = 0
            for parameter, weight in zip(self.module.parameters(), weights, strict=True):
                view = self.flat[start : start + weight.size].view(parameter.shape)
                view.copy_(torch.from_numpy(weight.T.copy()))
                parameter.data = view
                start += weight.size
            self.optimizer = Adam(self.module.parameters(), learning_rate, eps=1e-7, fused=True)
            self.parameters: Array = self.flat.numpy()

        def predict_on_batch(self, x: Array, out: Array | None = None) -> Array:
            with torch.inference_mode():
                result: Array = self.module(torch.from_numpy(x)).numpy()
            if out is None:
                return result
            out[...] = result
            return out

        def forward(self, x: Array) -> Array:
            self.output = self.module(torch.from_numpy(x))
            result: Array = self.output.detach().numpy()
            return result

        def backward(self, gradient: Array) -> None:
            self.optimizer.zero_grad(set_to_none=True)
            self.output.backward(torch.from_numpy(gradient))

        def input_derivatives(self, x: Array, direction: Array) -> tuple[Array, ...]:
            place, along = torch.from_numpy(x).requires_grad_(), torch.from_numpy(direction)
            jet = [self.module(place)]
            for _ in range(2):
                (slope,) = torch.autograd.grad(jet[-1].sum(), place, create_graph=True)
                jet.append(slope @ along[:, None])
            self.jet = jet
            return tuple(part.detach().numpy() for part in jet)

        def backward_derivatives(self, *gradients: Array) -> None:
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(self.jet, [torch.from_numpy(g) for g in gradients])

        def apply_gradients(self) -> None:
            self.optimizer.step()

    return Twin()


class Clock:
    """Adds up the seconds in a network's calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, make: Make) -> Make:
        """The same networks; their calls are timed."""

        def watched(widths: list[int], learning_rate: float, seed: int) -> Any:
            network = make(widths, learning_rate, seed)
            for name in CALLS:
                setattr(network, name, self._timed(getattr(network, name)))
            return network

        return watched

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = call(*arguments, **options)
            self.seconds += time.perf_counter() - start
            return result

        return timed


def compare(loop: Callable[[Make], float], rounds: int = 3) -> None:
    """Time the loop with both libraries, in turn; `loop` returns what it has reached."""
    makers: dict[str, Make] = {"densecore": densecore_network, "PyTorch": torch_network}
    try:
        torch_network([1, 1], 0.1, 0)
    except ImportError:
        print("--compare: PyTorch is not installed")
        return
    best = {name: (float("inf"), float("inf")) for name in makers}
    reached = {}
    for _ in range(rounds):
        for name, make in makers.items():
            clock = Clock()
            start = time.perf_counter()
            reached[name] = loop(clock.watch(make))
            spent = time.perf_counter() - start
            best[name] = min(best[name], (spent, clock.seconds))
    print(f"{'':12}{'whole loop':>12}{'networks':>12}{'reached':>12}")
    for name, (whole, networks) in best.items():
        print(f"{name:12}{whole:10.2f} s{networks:10.2f} s{reached[name]:12.4g}")
    ratios = [b / a for a, b in zip(best["densecore"], best["PyTorch"], strict=True)]
    print(f"{'ratio':12}{ratios[0]:10.1f} ×{ratios[1]:10.1f} ×")
