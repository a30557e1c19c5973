"""``densecore check``: do this machine's kernels compute what the NumPy reference computes?"""

import argparse
from typing import Any

import numpy as np

import densecore as dc


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "check",
        help="compare the compiled core with the NumPy reference",
        description="Train one network of each activation and loss with the compiled core and with "
        "the NumPy reference, and compare the parameters.",
    )
    parser.add_argument("--steps", type=int, default=20, help="training steps (default: 20)")
    parser.set_defaults(run=run)


# Relative to the largest parameter: accumulated rounding of a few hundred operations.
LIMITS = {"float32": 1e-5, "float64": 1e-12}


def run(options: argparse.Namespace) -> int:
    """Print a line per case; exit status 1 when one is off."""
    if options.steps < 1:
        raise ValueError(f"--steps: found {options.steps}, wanted at least 1")
    dc.show_config()
    worst = 0
    for dtype, limit in LIMITS.items():
        for hidden, loss, optimizer in _cases():
            error = _compare(dtype, hidden, loss, optimizer, options.steps)
            right = error <= limit
            worst += not right
            shown = "ok" if right else f"WRONG, wanted at most {limit:g}"
            print(f"{dtype}  {hidden:12s} {loss:32s} {optimizer:8s} {error:8.1e}  {shown}")
    print("all agree" if worst == 0 else f"{worst} cases do not agree")
    return 0 if worst == 0 else 1


# Losses whose targets are not one per output: the tests have them.
OTHER_TARGETS = ("quantile", "gaussian_nll")


def _cases() -> list[tuple[str, str, str]]:
    """(hidden activation, loss, optimizer): each of the three lists with one of the others."""
    loss = "sparse_categorical_crossentropy"
    cases = [(name, loss, "sgd") for name in dc.activations.names()]
    cases += [("tanh", name, "sgd") for name in dc.losses.names() if name not in OTHER_TARGETS]
    # adamw is adam's rule: its decay is no part of the update.
    return cases + [("tanh", loss, name) for name in dc.optimizers.names() if name != "adamw"]


def _compare(dtype: str, hidden: str, loss: str, optimizer: str, steps: int) -> float:
    """The largest difference of a parameter, relative to the largest parameter."""
    rng = np.random.default_rng(1)
    last = {"mean_squared_error": "linear", "binary_crossentropy": "sigmoid"}.get(loss, "softmax")
    model = dc.Sequential(
        [dc.Input(7), dc.Dense(17, hidden), dc.Dense(5, "tanh"), dc.Dense(3, last)],
        dtype=dtype,
        seed=2,
    )
    model.compile(optimizer, loss)
    reference = dc.reference.Network(
        [(layer.weight, layer.bias, str(layer.activation)) for layer in model.layers]
    )
    x = rng.normal(size=(40, 7)).astype(dtype)
    labels = rng.integers(0, 3, 40)
    y: Any = labels if dc.losses.get(loss).sparse else np.eye(3, dtype=dtype)[labels]
    for _ in range(steps):
        model.train_on_batch(x, y)
        reference.train_on_batch(x, y, loss=loss, optimizer=optimizer)
    largest = float(np.abs(model.parameters).max())
    differences = [
        np.abs(layer.weight - weight).max()
        for layer, (weight, _, _) in zip(model.layers, reference.layers, strict=True)
    ]
    return float(max(differences)) / largest
