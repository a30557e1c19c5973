"""What a training step costs with and without each feature.

    python benchmarks/features.py

One network, 17-64-64-6 with tanh and Adam, float32, batch 32, one thread; microseconds per step,
the best of several runs of `fit`, and the difference to the step without the feature.
"""

import time
from typing import Any

import numpy as np

import densecore as dc
from densecore import callbacks, layers, optimizers, schedules

BATCH, BATCHES, EPOCHS, RUNS = 32, 300, 3, 6

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
    network: list[Any], optimizer: Any = None, metrics: Any = None, **fit: Any
) -> float:
    """Per step."""
    model = dc.Sequential(network, seed=0)
    model.compile(optimizer or optimizers.Adam(), "mse", metrics=metrics)
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0, **fit)
        best = min(best, time.perf_counter() - start)
    return best / BATCHES / EPOCHS * 1e6


class BatchHook(callbacks.Callback):
    """Does nothing, but must be called."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """As it says."""


def main() -> None:
    """Measure and print."""
    dc.set_num_threads(1)
    adam = optimizers.Adam
    watch = [callbacks.EarlyStopping("loss", patience=99), callbacks.ReduceLROnPlateau("loss")]
    features: dict[str, Any] = {
        "two layers of dropout": lambda: microseconds(stack(lambda: layers.Dropout(0.2))),
        "two layer normalisations": lambda: microseconds(stack(layers.LayerNormalization)),
        "two batch normalisations": lambda: microseconds(stack(layers.BatchNormalization)),
        "a residual block": lambda: microseconds(residual()),
        "frozen first layer": lambda: microseconds(
            [dc.Input(17), dc.Dense(64, "tanh", trainable=False), *stack()[2:]]
        ),
        "an L2 penalty": lambda: microseconds(stack(kernel_regularizer="l2")),
        "clipnorm": lambda: microseconds(stack(), adam(clipnorm=1.0)),
        "global_clipnorm": lambda: microseconds(stack(), adam(global_clipnorm=1.0)),
        "weight decay": lambda: microseconds(stack(), optimizers.AdamW()),
        "a moving average": lambda: microseconds(stack(), adam(use_ema=True)),
        "accumulation over 4": lambda: microseconds(stack(), adam(gradient_accumulation_steps=4)),
        "amsgrad": lambda: microseconds(stack(), adam(amsgrad=True)),
        "a schedule": lambda: microseconds(stack(), adam(schedules.CosineDecay(1e-3, 10_000))),
        "two metrics": lambda: microseconds(stack(), None, ["mae", "r2_score"]),
        "sample weights": lambda: microseconds(stack(), sample_weight=np.ones(len(x), np.float32)),
        "two callbacks of epochs": lambda: microseconds(stack(), callbacks=watch),
        "a callback of batches": lambda: microseconds(stack(), callbacks=[BatchHook()]),
    }
    plain = microseconds(stack())
    print(f"{'without any':<26}{plain:8.2f}")
    for name, measure in features.items():
        found = measure()
        print(f"{name:<26}{found:8.2f}{found - plain:+8.2f}")


if __name__ == "__main__":
    main()
