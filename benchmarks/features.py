"""What a training step costs with and without each feature.

    python benchmarks/features.py [--quick] [--json FILE]

One network, 17-64-64-6 with tanh and Adam, float32, batch 32, one thread; microseconds per step,
the best of several runs of `fit`, and the difference to the step without the feature.
"""

import functools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import densecore as dc
import frame
from densecore import callbacks, layers, optimizers, schedules

BATCH, BATCHES, EPOCHS = 32, 300, 3

rng = np.random.default_rng(0)
x = rng.normal(size=(BATCH * BATCHES, 17)).astype(np.float32)
y = rng.normal(size=(BATCH * BATCHES, 6)).astype(np.float32)


def stack(between: Any = None, **options: Any) -> list[Any]:
    """The network, with a layer after each hidden one."""
    hidden = []
    for _ in range(2):
        hidden.append(dc.Dense(64, "tanh", **options))
        if between is not None:
            hidden.append(between())
    return [dc.Input(17), *hidden, dc.Dense(6)]


def residual() -> list[Any]:
    """The second hidden layer in a residual block."""
    block = layers.Residual([dc.Dense(64, "tanh")])
    return [dc.Input(17), dc.Dense(64, "tanh"), block, dc.Dense(6)]


def microseconds(
    network: list[Any], optimizer: Any = None, metrics: Any = None, runs: int = 6, **fit: Any
) -> float:
    """Per step."""
    model = dc.Sequential(network, seed=0)
    model.compile(optimizer or optimizers.Adam(), "mse", metrics=metrics)
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0, **fit)
        best = min(best, time.perf_counter() - start)
    return best / BATCHES / EPOCHS * 1e6


class BatchHook(callbacks.Callback):
    """Does nothing, but must be called."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """As it says."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = frame.parse(__doc__, arguments)
    dc.set_num_threads(1)
    measured = functools.partial(microseconds, runs=1 if options.quick else 6)
    adam = optimizers.Adam
    watch = [callbacks.EarlyStopping("loss", patience=99), callbacks.ReduceLROnPlateau("loss")]
    features: dict[str, Any] = {
        "two layers of dropout": lambda: measured(stack(lambda: layers.Dropout(0.2))),
        "two layer normalisations": lambda: measured(stack(layers.LayerNormalization)),
        "two batch normalisations": lambda: measured(stack(layers.BatchNormalization)),
        "a residual block": lambda: measured(residual()),
        "frozen first layer": lambda: measured(
            [dc.Input(17), dc.Dense(64, "tanh", trainable=False), *stack()[2:]]
        ),
        "an L2 penalty": lambda: measured(stack(kernel_regularizer="l2")),
        "clipnorm": lambda: measured(stack(), adam(clipnorm=1.0)),
        "global_clipnorm": lambda: measured(stack(), adam(global_clipnorm=1.0)),
        "weight decay": lambda: measured(stack(), optimizers.AdamW()),
        "a moving average": lambda: measured(stack(), adam(use_ema=True)),
        "accumulation over 4": lambda: measured(stack(), adam(gradient_accumulation_steps=4)),
        "amsgrad": lambda: measured(stack(), adam(amsgrad=True)),
        "a schedule": lambda: measured(stack(), adam(schedules.CosineDecay(1e-3, 10_000))),
        "two metrics": lambda: measured(stack(), None, ["mae", "r2_score"]),
        "sample weights": lambda: measured(stack(), sample_weight=np.ones(len(x), np.float32)),
        "two callbacks of epochs": lambda: measured(stack(), callbacks=watch),
        "a callback of batches": lambda: measured(stack(), callbacks=[BatchHook()]),
    }
    plain = measured(stack())
    print(f"{'without any':<26}{plain:8.2f}")
    times = {"without any": plain}
    for name, measure in features.items():
        times[name] = found = measure()
        print(f"{name:<26}{found:8.2f}{found - plain:+8.2f}")
    frame.write(options.json, {"microseconds per step": times})


if __name__ == "__main__":
    main()
