"""Random networks, data and trainings: what has to be equal is compared, until the time is over.

    python tools/fuzz_networks.py [--seconds N] [--first CASE]

Of plain stacks of dense layers, outputs, losses and gradients with `densecore.reference`. Of any
stack, all that the library promises to be the same bits: for any number of threads, by batches in
Python as in the core, a row alone or among others, frozen, saved, copied, in an ensemble. A case is
its number: what fails is printed with it, gives status 1, and ``--first`` starts with that one.
"""

import argparse
import copy
import pickle
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import densecore as dc
from densecore import layers, regularizers
from densecore.callbacks import LambdaCallback

# Around the sizes of vectors, tiles, blocks and leaves.
WIDTHS = (1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 64, 65, 127, 129, 257, 300)
ROWS = (1, 2, 3, 7, 16, 17, 33, 64, 65, 127, 128, 129, 200, 257, 300)
THREADS = (2, 3, 4, 7)
# What the reference computes by another formula near 0, or where a rounding decides a sign.
NOT_COMPARED = {"tanh_shrink", "lion", "cosine_similarity", "quantile", "gaussian_nll"}
# Of saturated units float32 keeps two digits, here and in the reference.
TOLERANCE = {"float32": 1e-2, "float64": 1e-10}
LAST = {"binary": "sigmoid", "categorical": "softmax", "sparse": "softmax", "kl": "softmax"}


class Case(NamedTuple):
    """How a model is made (each time the same), its data, and how it is trained."""

    make: Callable[[], dc.Sequential]
    x: Any
    y: Any
    weight: Any
    batch_size: int
    plain: bool

    def fit(self, model: dc.Sequential, epochs: int = 2, **options: Any) -> str:
        """Train; the history as text, which tells also NaN from NaN."""
        history = model.fit(
            self.x, self.y, self.batch_size, epochs, 0, sample_weight=self.weight, **options
        )
        return repr(history.history)


def activation(rng: np.random.Generator) -> str:
    return str(rng.choice([name for name in dc.activations.names() if name not in NOT_COMPARED]))


def dense(rng: np.random.Generator, units: int, name: str | None = None) -> dc.Dense:
    penalty = regularizers.L1L2(1e-3, 1e-3) if rng.random() < 0.2 else None
    return dc.Dense(
        units,
        name or activation(rng),
        use_bias=bool(rng.random() < 0.8),
        kernel_regularizer=penalty,
        trainable=bool(rng.random() < 0.9),
    )


def random_stack(rng: np.random.Generator, width: int) -> Iterator[layers.Layer]:
    for _ in range(rng.integers(1, 7)):
        kind = rng.integers(9)
        if kind == 0:
            yield layers.Dropout(float(rng.choice([0.1, 0.5])))
        elif kind == 1:
            yield layers.BatchNormalization(scale=bool(rng.random() < 0.8))
        elif kind == 2:
            yield layers.LayerNormalization(center=bool(rng.random() < 0.8))
        elif kind == 3:
            inner = dense(rng, int(rng.choice(WIDTHS)))
            yield layers.Residual([inner, layers.BatchNormalization(), dc.Dense(width)])
        elif kind == 4:
            yield layers.GaussianNoise(0.1)
        elif kind == 5:
            kinds = [layers.RMSNormalization, layers.UnitNormalization, layers.Scale]
            yield kinds[rng.integers(3)]()
        else:
            width = int(rng.choice(WIDTHS))
            yield dense(rng, width)


def optimizer(rng: np.random.Generator, name: str) -> dc.optimizers.Optimizer:
    rate = dc.schedules.CosineDecay(0.0, 20, warmup_target=0.01, warmup_steps=4)
    options: list[dict[str, Any]] = [
        {"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.1}, {"weight_decay": 0.01},
        {"use_ema": True, "ema_overwrite_frequency": 3}, {"gradient_accumulation_steps": 2},
        {"learning_rate": rate}, {}, {},
    ]  # fmt: skip
    return dc.optimizers.get({"name": name, **options[rng.integers(len(options))]})


def random_case(number: int) -> Case:
    rng = np.random.default_rng(number)
    dtype, plain = str(rng.choice(["float32", "float64"])), bool(rng.random() < 0.5)
    loss = str(rng.choice([name for name in dc.losses.names() if name not in NOT_COMPARED]))
    last = LAST.get(loss.split("_")[0], "softplus" if plain else "linear")
    inputs, outputs = int(rng.choice(WIDTHS)), int(rng.choice(WIDTHS[1:]))
    rule = str(rng.choice(dc.optimizers.names()))
    seed = int(rng.integers(2**32))

    def make() -> dc.Sequential:
        same = np.random.default_rng(seed)
        if plain:
            names = [activation(same) for _ in range(same.integers(0, 4))]
            stack = [dc.Dense(int(same.choice(WIDTHS)), name) for name in names]
        else:
            stack = list(random_stack(same, inputs))
        stack.append(dc.Dense(outputs, last))
        model = dc.Sequential([dc.Input(inputs), *stack], dtype=dtype, seed=seed)
        metrics = [] if plain or dc.losses.get(loss).sparse else ["mae"]
        model.compile(rule if plain else optimizer(same, rule), loss, metrics)
        return model

    rows = int(rng.choice(ROWS))
    x = rng.normal(size=(rows, inputs)).astype(dtype)
    labels = rng.integers(0, outputs, rows)
    y = np.eye(outputs, dtype=dtype)[labels]
    if dc.losses.get(loss).sparse:
        y = labels.astype(np.int32)
    weight = rng.integers(1, 4, rows).astype(dtype) if rng.random() < 0.5 else None
    batch_size = max(int(rng.choice([1, 2, 7, 32, 64, rows, 2 * rows])), rows // 30 + 1)
    return Case(make, x, y, weight, batch_size, plain)


def bits(model: dc.Sequential) -> bytes:
    return b"".join(array.tobytes() for array in model.get_weights())


def against_the_reference(case: Case) -> Iterator[str]:
    """Names of what differs by more than rounding."""
    model = case.make()
    reference = dc.reference.Network(
        [(layer.weight, layer.bias, str(layer.activation)) for layer in model.layers]
    )
    limit, loss = TOLERANCE[model.dtype], model.loss.name
    with np.errstate(all="ignore"):
        found = model.loss_and_gradients(case.x, case.y, case.weight)
        expected = reference.loss(case.x, case.y, loss, sample_weight=case.weight)
        gradients = reference.backward(case.y, loss, sample_weight=case.weight)
        pairs = [("outputs", model.predict(case.x), reference.a[-1]), ("loss", found, expected)]
        for layer, (weight, bias) in zip(model.layers, gradients, strict=True):
            pairs.append((f"gradient of {layer.name}", layer.weight_gradient, weight))
            pairs.append((f"gradient of {layer.name}'s bias", layer.bias_gradient, bias))
        for name, ours, theirs in pairs:
            ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
            scale = np.abs(theirs).max()
            same = (np.abs(ours - theirs) <= limit * scale + 1e-30) | ~np.isfinite(theirs)
            if np.isfinite(scale) and not same.all():
                yield f"{name}: {np.abs(ours - theirs).max() / scale:.1e}, the reference differs"


def same_bits(case: Case, rng: np.random.Generator, folder: Path) -> Iterator[str]:
    """Names of what has other bits than it has to have."""
    first = case.make()
    history = case.fit(first)
    hooks = {
        "batches in Python": LambdaCallback(on_train_batch_end=lambda batch, logs: None),
        "epochs in Python": LambdaCallback(on_epoch_end=lambda epoch, logs: None),
    }
    for name, hook in hooks.items():
        other = case.make()
        if (case.fit(other, callbacks=[hook]), bits(other)) != (history, bits(first)):
            yield name
    outputs, whole = first.predict(case.x), first.evaluate(case.x, case.y)
    for threads in rng.choice(THREADS, 2, replace=False):
        dc.set_num_threads(int(threads))
        other = case.make()
        if (case.fit(other), bits(other)) != (history, bits(first)):
            yield f"training by {threads} threads"
        if other.predict(case.x).tobytes() != outputs.tobytes():
            yield f"prediction by {threads} threads"
        if repr(other.evaluate(case.x, case.y)) != repr(whole):
            yield f"evaluation by {threads} threads"
        dc.set_num_threads(1)
    begin, end = sorted(rng.choice(len(case.x) + 1, 2, replace=False))
    if first.predict(case.x[begin:end]).tobytes() != outputs[begin:end].tobytes():
        yield f"rows {begin} to {end}"
    if any(first.predict(case.x[i : i + 1]).tobytes() != outputs[i].tobytes() for i in range(9)
           if i < len(case.x)):  # fmt: skip
        yield "a row alone"
    if first.forward(case.x, training=False).tobytes() != outputs.tobytes():
        yield "forward"
    if first.freeze()(case.x).tobytes() != outputs.tobytes():
        yield "frozen"
    first.save(folder / "model")
    copies = {"loaded": dc.load_model(folder / "model"), "pickled": pickle.loads(
        pickle.dumps(first)), "copied": copy.deepcopy(first)}  # fmt: skip
    history = case.fit(first)
    for name, other in copies.items():
        if (case.fit(other), bits(other)) != (history, bits(first)):
            yield f"{name}, and trained on"
    ensemble = dc.Ensemble(case.make(), 5)
    ensemble.fit(case.x, case.y, case.batch_size, 2, verbose=0, sample_weight=case.weight)
    member = int(rng.integers(5))
    config = {**case.make().get_config(), "seed": ensemble.seeds[member]}
    alone = dc.Sequential.from_config(config)
    alone.compile(alone.optimizer, alone.loss)
    case.fit(alone)
    if bits(alone) != bits(ensemble.member(member)):
        yield "a member of an ensemble"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # random trainings diverge
    dc.set_num_threads(1)
    end, number, failed = time.monotonic() + options.seconds, options.first, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            try:
                case = random_case(number)
                wrong = list(same_bits(case, np.random.default_rng(number), Path(folder)))
                wrong += against_the_reference(case) if case.plain else []
            except Exception:
                wrong = [traceback.format_exc()]
            for text in wrong:
                print(f"case {number}: {text}", flush=True)
            failed += bool(wrong)
            number += 1
    print(f"{number - options.first} cases, {failed} of them wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
