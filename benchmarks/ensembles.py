"""Many networks at once: densecore's ensembles beside JAX's vmap and PyTorch's batched products.

    python benchmarks/ensembles.py [--threads 2] [--quick] [--json FILE]

All train the same networks on the same batches from the same parameters. Before anything is timed,
one step of each is compared with the NumPy reference. Then all are timed in turn, in one run.
Libraries that are not installed are left out. Writes benchmarks/results/ensembles.json.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import densecore as dc
from description import describe, processors
from report import time_text
from timing import in_turn
from worker import environment

Array = NDArray[Any]

EPSILON = 1e-7
LIMIT = 1e-4  # of the largest change of a parameter array
CHECKED = (0, 1)  # members that are compared with the reference, besides the last


@dataclass(frozen=True)
class Workload:
    name: str
    members: int
    widths: tuple[int, ...]
    activation: str
    optimizer: str
    batch: int
    rate: float
    batches: int
    wanted_ratio: float  # times JAX's speed, whichever way it is called
    wanted_seconds: float | None = None  # per network and step

    @property
    def text(self) -> str:
        shape = "-".join(map(str, self.widths))
        return (
            f"{self.members} networks {shape} {self.activation}, mse, {self.optimizer}, "
            f"batch {self.batch}"
        )

    def model(self) -> dc.Sequential:
        inputs, *units = self.widths
        layers = [dc.Input(inputs), *(dc.Dense(n, self.activation) for n in units)]
        model = dc.Sequential(layers, seed=0)
        kinds: dict[str, Callable[[], Any]] = {
            "sgd": lambda: dc.optimizers.SGD(self.rate),
            "adam": lambda: dc.optimizers.Adam(self.rate, epsilon=EPSILON),
        }
        model.compile(kinds[self.optimizer](), "mse")
        return model

    def data(self) -> tuple[Array, Array]:
        rng = np.random.default_rng(0)
        rows = self.batch * self.batches
        x = rng.normal(size=(rows, self.widths[0]))
        y = rng.uniform(0.1, 0.9, size=(rows, self.widths[-1]))
        return x.astype(np.float32), y.astype(np.float32)


WORKLOADS = [
    Workload("control", 256, (17, 64, 64, 6), "tanh", "sgd", 32, 0.1, 16, 3.0),
    Workload("tiny", 1024, (5, 4, 3, 2), "sigmoid", "sgd", 1, 0.5, 256, 10.0, 25e-9),
    Workload("tiny-adam", 1024, (5, 4, 3, 2), "sigmoid", "adam", 1, 0.01, 256, 10.0),
]


def starts(workload: Workload) -> list[Array]:
    """Kernels (members, in, out) and biases (members, out), stacked: all begin with these."""
    ensemble = dc.Ensemble(workload.model(), workload.members)
    parameters, begin, found = ensemble.parameters.copy(), 0, []
    rng = np.random.default_rng(1)
    for inputs, units in zip(workload.widths, workload.widths[1:], strict=False):
        kernel = parameters[:, begin : begin + inputs * units].reshape(-1, inputs, units)
        begin += (inputs + 1) * units
        bias = rng.uniform(-0.1, 0.1, size=(workload.members, units)).astype(np.float32)
        found += [np.ascontiguousarray(kernel), bias]
    return found


class Contestant:
    """Trains from `starts`; an epoch is a step for each batch, finished when it returns."""

    name = ""

    def __init__(self, workload: Workload, parameters: list[Array]) -> None:
        self.workload = workload
        self.x, self.y = workload.data()

    def step(self) -> None:
        raise NotImplementedError

    def epoch(self) -> None:
        raise NotImplementedError

    def epochs(self, count: int) -> None:
        for _ in range(count):
            self.epoch()

    def parameters(self) -> list[Array]:
        raise NotImplementedError

    def batches(self) -> list[tuple[Array, Array]]:
        size = self.workload.batch
        ranges = [slice(i * size, (i + 1) * size) for i in range(self.workload.batches)]
        return [(self.x[rows], self.y[rows]) for rows in ranges]


# densecore --------------------------------------------------------------------------------------


class Own(Contestant):
    def __init__(self, workload: Workload, parameters: list[Array]) -> None:
        super().__init__(workload, parameters)
        self.ensemble = dc.Ensemble(workload.model(), workload.members)
        flat = [p.reshape(workload.members, -1) for p in parameters]
        self.ensemble.parameters[...] = np.concatenate(flat, axis=1)
        self.cut = self.batches()

    def step(self) -> None:
        self.ensemble.train_on_batch(*self.cut[0])

    def parameters(self) -> list[Array]:
        members = [self.ensemble.member(i).get_weights() for i in range(len(self.ensemble))]
        return [np.stack(arrays) for arrays in zip(*members, strict=True)]


class Fit(Own):
    name = "densecore fit"

    def step(self) -> None:
        x, y = self.cut[0]
        self.ensemble.fit(x, y, self.workload.batch, verbose=0, shuffle=False)

    def epochs(self, count: int) -> None:
        self.ensemble.fit(
            self.x, self.y, self.workload.batch, epochs=count, verbose=0, shuffle=False
        )


class OneByOne(Own):
    name = "densecore, one after another"

    def __init__(self, workload: Workload, parameters: list[Array]) -> None:
        super().__init__(workload, parameters)
        self.models = [self.ensemble.member(i) for i in range(workload.members)]

    def step(self) -> None:
        for model in self.models:
            model.train_on_batch(*self.cut[0])

    def epoch(self) -> None:
        for model in self.models:
            model.fit(self.x, self.y, self.workload.batch, verbose=0, shuffle=False)

    def parameters(self) -> list[Array]:
        members = [model.get_weights() for model in self.models]
        return [np.stack(arrays) for arrays in zip(*members, strict=True)]


class TrainOnBatch(Own):
    name = "densecore train_on_batch"

    def epoch(self) -> None:
        for x, y in self.cut:
            self.ensemble.train_on_batch(x, y)


# JAX --------------------------------------------------------------------------------------------


def jax_contestants() -> list[type[Contestant]]:
    """A jitted vmap for each step, and a jitted scan of it for an epoch."""
    import jax
    import jax.numpy as jnp

    class Vmap(Contestant):
        def __init__(self, workload: Workload, parameters: list[Array]) -> None:
            super().__init__(workload, parameters)
            function = {"tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[workload.activation]
            rate = workload.rate

            def cost(p: Any, x: Any, y: Any) -> Any:
                for kernel, bias in zip(p[::2], p[1::2], strict=True):
                    x = function(x @ kernel + bias)
                return ((x - y) ** 2).mean()

            def sgd(state: Any, x: Any, y: Any) -> Any:
                gradients = jax.grad(cost)(state[0], x, y)
                return (jax.tree.map(lambda p, g: p - rate * g, state[0], gradients),)

            def adam(state: Any, x: Any, y: Any) -> Any:
                p, m, v, count = state
                gradients = jax.grad(cost)(p, x, y)
                count = count + 1
                m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
                v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
                # By expm1: in float32 the plain form of 1 - b^t loses half of its digits.
                t = count.astype(x.dtype)
                first, second = (-jnp.expm1(t * np.log(b)) for b in (0.9, 0.999))
                p = jax.tree.map(
                    lambda p, m, v: p
                    - rate / first * m / (jnp.sqrt(v) / jnp.sqrt(second) + EPSILON),
                    p, m, v,
                )  # fmt: skip
                return p, m, v, count

            start = [jnp.array(p) for p in parameters]
            zeros = jax.tree.map(jnp.zeros_like, (start, start))
            is_adam = workload.optimizer == "adam"
            self.state: Any = (
                (start, *zeros, jnp.zeros(workload.members, jnp.int32)) if is_adam else (start,)
            )
            self.one: Any = jax.vmap(adam if is_adam else sgd, in_axes=(0, None, None))
            self.jitted = jax.jit(self.one, donate_argnums=0)
            self.cut = [(jnp.array(x), jnp.array(y)) for x, y in self.batches()]

        def step(self) -> None:
            self.state = jax.block_until_ready(self.jitted(self.state, *self.cut[0]))

        def parameters(self) -> list[Array]:
            return [np.asarray(p) for p in self.state[0]]

    class Steps(Vmap):
        name = "JAX, jitted vmap"

        def epoch(self) -> None:
            for x, y in self.cut:
                self.state = self.jitted(self.state, x, y)
            jax.block_until_ready(self.state)

    class Scan(Vmap):
        name = "JAX, jitted scan of vmap"

        def __init__(self, workload: Workload, parameters: list[Array]) -> None:
            super().__init__(workload, parameters)
            self.xs = jnp.stack([x for x, _ in self.cut])
            self.ys = jnp.stack([y for _, y in self.cut])

            def run(state: Any, xs: Any, ys: Any) -> Any:
                return jax.lax.scan(lambda s, b: (self.one(s, *b), None), state, (xs, ys))[0]

            self.scan = jax.jit(run, donate_argnums=0)

        def epoch(self) -> None:
            self.state = jax.block_until_ready(self.scan(self.state, self.xs, self.ys))

    return [Scan, Steps]


# PyTorch ----------------------------------------------------------------------------------------


def torch_contestants(threads: int) -> list[type[Contestant]]:
    """Stacked parameters and batched products, with autograd."""
    import torch

    torch.set_num_threads(threads)

    class Batched(Contestant):
        name = "PyTorch, baddbmm"

        def __init__(self, workload: Workload, parameters: list[Array]) -> None:
            super().__init__(workload, parameters)
            self.p = [torch.tensor(p, requires_grad=True) for p in parameters]
            self.function = getattr(torch, workload.activation)
            self.optimizer: Any = (
                torch.optim.SGD(self.p, workload.rate)
                if workload.optimizer == "sgd"
                else torch.optim.Adam(self.p, workload.rate, eps=EPSILON, fused=True)
            )
            self.cut = [(torch.tensor(x), torch.tensor(y)) for x, y in self.batches()]

        def train(self, x: Any, y: Any) -> None:
            a = x.expand(self.workload.members, *x.shape)
            for kernel, bias in zip(self.p[::2], self.p[1::2], strict=True):
                a = self.function(torch.baddbmm(bias[:, None, :], a, kernel))
            # The sum of the members' means: each one's gradient is its own.
            loss = ((a - y) ** 2).mean(dim=(1, 2)).sum()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

        def step(self) -> None:
            self.train(*self.cut[0])

        def epoch(self) -> None:
            for x, y in self.cut:
                self.train(x, y)

        def parameters(self) -> list[Array]:
            return [p.detach().numpy() for p in self.p]

    return [Batched]


# The run ----------------------------------------------------------------------------------------


def expected(workload: Workload, parameters: list[Array], member: int) -> list[Array]:
    """A member's parameters after one step, by the NumPy reference in double precision."""
    own = [p[member].astype(np.float64) for p in parameters]
    network = dc.reference.Network(
        [
            (np.ascontiguousarray(kernel.T), bias, workload.activation)
            for kernel, bias in zip(own[::2], own[1::2], strict=True)
        ]
    )
    x, y = (a[: workload.batch].astype(np.float64) for a in workload.data())
    settings = {"learning_rate": workload.rate}
    if workload.optimizer == "adam":
        settings["epsilon"] = EPSILON
    network.train_on_batch(x, y, optimizer=workload.optimizer, loss="mse", **settings)
    return [p.T if p.ndim == 2 else p for p in network.parameters]


def step_error(workload: Workload, parameters: list[Array], found: list[Array]) -> float:
    """The largest error of a change, relative to the largest change of its array; less the
    rounding of the parameter itself."""
    worst = 0.0
    for member in (*CHECKED, workload.members - 1):
        wanted = expected(workload, parameters, member)
        for before, want, have in zip(parameters, wanted, found, strict=True):
            change = float(np.abs(want - before[member]).max())
            rounding = float(np.finfo(np.float32).eps * np.abs(want).max())
            error = float(np.abs(have[member] - want).max())
            worst = max(worst, max(error - rounding, 0.0) / change)
    return worst


def run(workload: Workload, kinds: list[type[Contestant]], rounds: int, seconds: float,
        threads: int) -> dict[str, Any]:  # fmt: skip
    """Check, then time; seconds per network and step."""
    parameters = starts(workload)
    errors, wrong, calls = {}, {}, {}
    for kind in kinds:
        made = kind(workload, [p.copy() for p in parameters])
        made.step()
        errors[kind.name] = step_error(workload, parameters, made.parameters())
        if not errors[kind.name] <= LIMIT:
            wrong[kind.name] = f"found an error of {errors[kind.name]:.1e}, wanted {LIMIT:.0e}"
            continue
        calls[kind.name] = made.epochs

    def between(name: str) -> None:
        # Threads that spin after their work would take the next one's processor.
        time.sleep(0.02 if threads > 1 else 0)

    units = workload.batches * workload.members
    times = {
        name: [spent / units for spent in found]
        for name, found in in_turn(calls, rounds, seconds, between).items()
    }
    best = {name: min(found) for name, found in times.items()}
    return {
        "name": workload.name, "workload": workload.text, "threads": threads, "errors": errors,
        "wrong": wrong, "times": best, "rounds": times, "goals": goals(workload, best),
    }  # fmt: skip


def goals(workload: Workload, best: dict[str, float]) -> list[dict[str, Any]]:
    """What is wanted, and what was found."""
    own = best.get(Fit.name)
    jax = [spent for name, spent in best.items() if name.startswith("JAX")]
    found: list[dict[str, Any]] = []
    if own and jax:
        ratio = min(jax) / own
        found.append(
            {"goal": f"times JAX's speed ≥ {workload.wanted_ratio:g}", "found": ratio,
             "reached": ratio >= workload.wanted_ratio}
        )  # fmt: skip
    if own and workload.wanted_seconds:
        found.append(
            {"goal": f"per network and step ≤ {time_text(workload.wanted_seconds)}", "found": own,
             "reached": own <= workload.wanted_seconds}
        )  # fmt: skip
    return found


def show(row: dict[str, Any]) -> None:
    """A line for each contestant."""
    print(f"\n{row['workload']}; {row['threads']} thread{'s' * (row['threads'] != 1)}")
    print(f"  {'':<30}{'per network and step':>21}{'× densecore fit':>17}{'error':>9}")
    own = row["times"].get(Fit.name)
    for name, spent in sorted(row["times"].items(), key=lambda item: item[1]):
        ratio = f"{spent / own:.2f}" if own else "-"
        print(f"  {name:<30}{time_text(spent):>21}{ratio:>17}{row['errors'][name]:>9.0e}")
    for name, reason in row["wrong"].items():
        print(f"  {name}: WRONG, {reason}")
    for goal in row["goals"]:
        number = f"{goal['found']:.3g}" if goal["found"] > 1e-3 else time_text(goal["found"])
        print(
            f"  goal: {goal['goal']}: found {number}, "
            f"{'reached' if goal['reached'] else 'NOT REACHED'}"
        )


def main() -> int:
    """Everything, as the command line wants it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="fewer networks and rounds")
    parser.add_argument("--only", help="names of workloads, with commas")
    parser.add_argument(
        "--json", type=Path, default=Path(__file__).parent / "results" / "ensembles.json"
    )
    given = parser.parse_args()
    # Before anything is loaded that counts them.
    os.environ.update(environment(given.threads))
    if processors() and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors()[: given.threads])
    dc.set_num_threads(given.threads)

    kinds: list[type[Contestant]] = [Fit, TrainOnBatch, OneByOne]
    versions, missing = {"densecore": dc.__version__}, {}
    for library, load in (
        ("jax", jax_contestants),
        ("torch", lambda: torch_contestants(given.threads)),
    ):
        try:
            kinds += load()
            versions[library] = importlib.metadata.version(library)
        except ImportError as error:
            missing[library] = f"not installed ({error})"
    wanted = given.only.split(",") if given.only else [w.name for w in WORKLOADS]
    rows = []
    for workload in WORKLOADS:
        if workload.name not in wanted:
            continue
        chosen = workload
        if given.quick:
            fields = {
                **vars(workload),
                "members": workload.members // 8,
                "batches": workload.batches // 4,
            }
            chosen = Workload(**fields)
        rows.append(run(chosen, kinds, 3 if given.quick else 9, 0.05 if given.quick else 0.3,
                        given.threads))  # fmt: skip
        show(rows[-1])
    for library, reason in missing.items():
        print(f"{library}: left out, {reason}")
    with contextlib.suppress(FileNotFoundError):
        given.json.write_text(
            json.dumps({"machine": describe(), "versions": versions, "rows": rows}, indent=1)
        )
    return 1 if any(row["wrong"] for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
