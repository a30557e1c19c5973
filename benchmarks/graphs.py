"""Graphs beside JAX and PyTorch: two towers that meet, and embedded categories; on one core.

    taskset -c 0 python benchmarks/graphs.py [--quick] [--json FILE]

Two towers of 64-64, joined and followed by 32-1, at batches of 32, beside JAX's compiled scan over
the same batches; and a stack of about as many multiplications, so that the two ratios can be
compared. Ten columns of 1000 categories, embedded in 8 numbers each and followed by 32-1, at
batches of 256, beside PyTorch: a table for each column, one table for all, or sparse gradients.
All of them train by Adam, from the same weights on the same batches. Losses are compared before
anything is timed. Needs jax and torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
import torch

import densecore as dc
import frame
import timing
from densecore import layers

BATCHES, RATE = 100, 1e-3
COLUMNS, CATEGORIES, UNITS = 10, 1000, 8


def towers() -> dc.Model:
    """(16,), (16,) → 64-64 each → 32 → 1."""
    inputs = [dc.Input((16,)), dc.Input((16,))]
    ends = [layers.Dense(64, "relu")(layers.Dense(64, "relu")(one)) for one in inputs]
    joined = layers.Dense(32, "relu")(layers.Concatenate()(ends))
    return dc.Model(inputs, layers.Dense(1)(joined), seed=0)


def stack() -> dc.Model:
    """(32,) → 92 → 92 → 32 → 1, with as many multiplications."""
    x = inputs = dc.Input((32,))
    for units in (92, 92, 32):
        x = layers.Dense(units, "relu")(x)
    return dc.Model(inputs, layers.Dense(1)(x), seed=0)


def towers_in_jax(w: list[Any], x: Any) -> Any:
    """The same function of the weights in Keras's order: the first layers of both, the second."""
    dense = lambda x, i: jax.nn.relu(x @ w[i] + w[i + 1])  # noqa: E731
    one, other = dense(dense(x[:, :16], 0), 4), dense(dense(x[:, 16:], 2), 6)
    return dense(jnp.concatenate([one, other], 1), 8) @ w[10] + w[11]


def stack_in_jax(w: list[Any], x: Any) -> Any:
    """The same function of the weights."""
    for i in (0, 2, 4):
        x = jax.nn.relu(x @ w[i] + w[i + 1])
    return x @ w[6] + w[7]


def scanned(function: Any, weights: list[Any], x: Any, y: Any) -> Callable[[int], Any]:
    """Epochs over the batches x and y (batches, rows, ...), one compiled scan for each."""
    gradient = jax.value_and_grad(lambda w, x, y: jnp.mean((function(w, x) - y) ** 2))

    def step(state: Any, batch: Any) -> Any:
        w, m, v, t = state
        loss, g = gradient(w, *batch)
        t = t + 1
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
        c, d = 1 - 0.9**t, 1 - 0.999**t
        moved = zip(w, m, v, strict=True)
        w = [a - RATE * (b / c) / (jnp.sqrt(e / d) + 1e-7) for a, b, e in moved]
        return (w, m, v, t), loss

    run = jax.jit(lambda state, x, y: jax.lax.scan(step, state, (x, y)), donate_argnums=0)
    zeros = [jnp.zeros_like(w) for w in weights]
    state = [[jnp.array(w) for w in weights], zeros, [jnp.zeros_like(w) for w in weights], 0.0]
    x, y = jnp.array(x), jnp.array(y)

    def epochs(count: int) -> float:
        losses: Any = None
        for _ in range(count):
            state[:], losses = run(tuple(state), x, y)
        return float(losses.mean())

    return epochs


def fitted(model: dc.Model, x: Any, y: Any, rows: int) -> Callable[[int], Any]:
    """Epochs of densecore in the same order."""
    model.compile(dc.optimizers.Adam(RATE), "mse")

    def epochs(count: int) -> float:
        fit = model.fit(x, y, batch_size=rows, epochs=count, shuffle=False, verbose=0)
        return float(fit.history["loss"][-1])

    return epochs


def compared(
    calls: dict[str, Callable[[int], Any]], rounds: int, steps: int, tolerance: float
) -> dict[str, float]:
    """µs of a step of each, after their losses agree."""
    found = {name: call(1) for name, call in calls.items()}
    first = next(iter(found.values()))
    for name, loss in found.items():
        if not np.isclose(loss, first, rtol=tolerance):
            raise AssertionError(f"{name}: found the loss {loss}, wanted {first}")
    times = timing.in_turn(calls, rounds, 0.1)
    return {name: 1e6 * min(spent) / steps for name, spent in times.items()}


class Embedded(torch.nn.Module):
    """Categories in PyTorch: a table for each column, or one for all; sparse gradients or not."""

    def __init__(self, arrays: list[Any], whole: bool, sparse: bool) -> None:
        super().__init__()
        tables = [np.concatenate(arrays[:COLUMNS])] if whole else arrays[:COLUMNS]
        self.tables = torch.nn.ModuleList(
            torch.nn.Embedding.from_pretrained(torch.tensor(t), freeze=False, sparse=sparse)
            for t in tables
        )
        self.first, self.last = torch.nn.Linear(COLUMNS * UNITS, 32), torch.nn.Linear(32, 1)
        with torch.no_grad():
            for layer, place in ((self.first, COLUMNS), (self.last, COLUMNS + 2)):
                layer.weight[...] = torch.tensor(arrays[place].T)
                layer.bias[...] = torch.tensor(arrays[place + 1])

    def forward(self, x: Any) -> Any:
        if len(self.tables) == 1:
            found = self.tables[0](x).reshape(len(x), -1)
        else:
            found = torch.cat([table(x[:, i]) for i, table in enumerate(self.tables)], 1)
        return self.last(torch.relu(self.first(found)))


def in_torch(arrays: list[Any], x: Any, y: Any, rows: int, whole: bool, sparse: bool) -> Any:
    """Epochs of PyTorch in the same order."""
    model = Embedded(arrays, whole, sparse)
    tables, others = list(model.tables.parameters()), list(model.parameters())
    if sparse:
        known = set(map(id, tables))
        rest = [p for p in others if id(p) not in known]
        chosen = [
            torch.optim.SparseAdam(tables, RATE, eps=1e-7),
            torch.optim.Adam(rest, RATE, eps=1e-7, fused=True),
        ]
    else:
        chosen = [torch.optim.Adam(others, RATE, eps=1e-7, fused=True)]
    shift = np.arange(COLUMNS) * CATEGORIES if whole else 0
    batches = list(zip(torch.tensor(x + shift).split(rows), torch.tensor(y).split(rows)))  # noqa: B905

    def epochs(count: int) -> float:
        total = 0.0
        for _ in range(count):
            total = 0.0
            for given, wanted in batches:
                for optimizer in chosen:
                    optimizer.zero_grad(set_to_none=True)
                loss = torch.nn.functional.mse_loss(model(given), wanted)
                loss.backward()
                for optimizer in chosen:
                    optimizer.step()
                total += loss.item()
        return total / len(batches)

    return epochs


def embedded() -> dc.Model:
    """Ten columns of categories → 32 → 1."""
    inputs = [dc.Input((1,)) for _ in range(COLUMNS)]
    tables = [layers.Flatten()(layers.Embedding(CATEGORIES, UNITS)(one)) for one in inputs]
    x = layers.Dense(32, "relu")(layers.Concatenate()(tables))
    return dc.Model(inputs, layers.Dense(1)(x), seed=0)


def main(arguments: Sequence[str] | None = None) -> None:
    options = frame.parse(__doc__, arguments)
    rounds = 2 if options.quick else 15
    numbers = {}
    dc.set_num_threads(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCHES * 32, 32)).astype(np.float32)
    y = np.sin(x[:, :1]) * x[:, 20:21]
    parts = (x.reshape(BATCHES, 32, 32), y.reshape(BATCHES, 32, 1))
    for name, model, function in (
        ("towers", towers(), towers_in_jax),
        ("stack", stack(), stack_in_jax),
    ):
        arrays = [np.asarray(w) for w in model.get_weights()]
        given = [x[:, :16].copy(), x[:, 16:].copy()] if name == "towers" else x
        calls = {
            "densecore": fitted(model, given, y, 32),
            "JAX's scan": scanned(function, arrays, *parts),
        }
        numbers[name] = compared(calls, rounds, BATCHES, 1e-3)
        report(name, numbers[name])
    rows, count = 256, 40
    x = rng.integers(0, CATEGORIES, (rows * count, COLUMNS))
    y = rng.normal(size=(len(x), 1)).astype(np.float32)
    model = embedded()
    arrays = [np.asarray(w) for w in model.get_weights()]
    columns = [x[:, [i]].astype(np.float32) for i in range(COLUMNS)]
    calls = {"densecore": fitted(model, columns, y, rows)}
    for name, whole, sparse in (
        ("PyTorch, ten tables", False, False),
        ("PyTorch, one table", True, False),
        ("PyTorch, one table, sparse", True, True),
    ):
        calls[name] = in_torch(arrays, x, y, rows, whole, sparse)
    # Adam of whole tables moves rows that a batch has not.
    numbers["embeddings"] = compared(calls, rounds, count, 0.02)
    report("embeddings", numbers["embeddings"])
    frame.write(options.json, {"microseconds of a step": numbers})


def report(name: str, found: dict[str, float]) -> None:
    """Print the times, and how many times as fast as each of the others densecore is."""
    own = found["densecore"]
    for contestant, spent in found.items():
        print(
            f"{name:12s} {contestant:28s} {spent:8.1f} µs a step, {spent / own:6.2f} ×", flush=True
        )


if __name__ == "__main__":
    main()
