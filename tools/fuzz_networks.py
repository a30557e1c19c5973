"""Random networks, data and trainings: what has to be equal is compared, until the time is over.

    python tools/fuzz_networks.py [--seconds N] [--first CASE]

Of plain stacks of dense layers, outputs, losses and gradients with `densecore.reference`, of any
graph outputs and gradients of a pass. Of any
stack, some with custom layers, and of any graph of layers with its inputs and outputs
(tests/random_models.py), all that the library promises to be the same bits: for any number of
threads, by batches in Python as in the core, a row alone or among others, frozen, saved, copied, in
an ensemble. A case is its number: what fails is printed with it, gives status 1, and ``--first``
starts with that one.
"""

import argparse
import copy
import pickle
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import densecore as dc
from densecore import layers, ops, regularizers
from densecore.callbacks import LambdaCallback

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from graphs import expected_gradients, twin
from random_models import Both, Gate, outputs_of, random_graph_model

for own in (Both, Gate):
    dc.saving.register_keras_serializable("fuzz")(own)

# Around the sizes of vectors, tiles, blocks and leaves.
WIDTHS = (1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 64, 65, 127, 129, 257, 300)
ROWS = (1, 2, 3, 7, 16, 17, 33, 64, 65, 127, 128, 129, 200, 257, 300)
THREADS = (2, 3, 4, 7)
# What the reference computes by another formula near 0, or where a rounding decides a sign.
NOT_COMPARED = {"tanh_shrink", "lion", "cosine_similarity", "quantile", "gaussian_nll"}
# Of saturated units float32 keeps two digits, here and in the reference.
TOLERANCE = {"float32": 1e-2, "float64": 1e-10}
FIRST_PASS = 2**64 - 1  # the number of a network's first pass of its own
WITHOUT = frozenset([layers.PeriodicEmbedding])  # which changes the width that others expect
LAST = {"binary": "sigmoid", "categorical": "softmax", "sparse": "softmax", "kl": "softmax"}


@dc.saving.register_keras_serializable("fuzz")
class OwnBlock(layers.Layer):
    """A custom layer: weights, other layers and functions of single elements."""

    def __init__(self, units: int, **general: Any) -> None:
        super().__init__(**general)
        self.units = units
        self.inner = dc.Dense(units, "tanh")

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight((self.units,), "zeros", name="bias")

    def call(self, x: Any) -> Any:
        return self.inner(x) * ops.sigmoid(ops.matmul(x, self.kernel) + self.bias)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class Case(NamedTuple):
    """How a model is made (each time the same), its data, and how it is trained.

    x and y are arrays, or lists of them.
    """

    make: Callable[[], Any]
    x: Any
    y: Any
    weight: Any
    batch_size: int
    plain: bool

    def rows(self, begin: int, end: int) -> Any:
        if isinstance(self.x, list):
            return [each[begin:end] for each in self.x]
        return self.x[begin:end]

    @property
    def count(self) -> int:
        return len(self.x[0] if isinstance(self.x, list) else self.x)

    def fit(self, model: Any, epochs: int = 2, **options: Any) -> str:
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
        kind = rng.integers(10)
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
        elif kind == 6:
            width = int(rng.choice(WIDTHS[:8]))
            yield OwnBlock(width)
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


def graph_case(number: int) -> Case:
    rng = np.random.default_rng(number)
    dtype, rows = str(rng.choice(["float32", "float64"])), int(rng.choice(ROWS))
    rule, loss = str(rng.choice(dc.optimizers.names())), str(rng.choice(["mse", "mae", "huber"]))
    _, given = random_graph_model(number, dtype, WITHOUT)
    chosen = rng.integers(0, len(given[0]), rows)

    def make() -> Any:
        model, _ = random_graph_model(number, dtype, WITHOUT)
        model.compile(rule, loss)
        return model

    x: Any = [each[chosen] for each in given]
    y: Any = [rng.normal(size=each.shape).astype(dtype) for each in outputs_of(make(), x)]
    if isinstance(make().output, dict):
        y = dict(zip(make().output, y, strict=True))
    elif len(y) == 1:
        (y,) = y
    return Case(make, x if len(x) > 1 else x[0], y, None, int(rng.choice([1, 7, 32, rows])), False)


def data(array: Any) -> bytes:
    """An array's bits, or those of several; of a NaN neither sign nor payload are promised."""
    if isinstance(array, dict):
        array = list(array.values())
    if isinstance(array, list | tuple):
        return b"".join(map(data, array))
    return np.where(np.isnan(array), np.nan, array).astype(array.dtype).tobytes()


def first_rows(found: Any, begin: int, end: int) -> Any:
    """Rows of outputs, of several too."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list | tuple):
        return [each[begin:end] for each in found]
    return found[begin:end]


def joined(arrays: Any) -> Any:
    """All columns side by side, as a frozen model takes and gives them."""
    if isinstance(arrays, dict):
        arrays = list(arrays.values())
    if not isinstance(arrays, list | tuple):
        arrays = [arrays]
    return np.concatenate([each.reshape(len(each), -1) for each in arrays], axis=1)


def bits(model: Any) -> bytes:
    return b"".join(data(array) for array in model.get_weights())


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


def graph_against_the_reference(case: Case) -> Iterator[str]:
    """The same of any graph, by its layers in the core: a pass forward in training, and back."""
    model = case.make()
    network, plan = model._network, model._plan()
    specs = [{**spec, "sources": spec.get("sources", [(number - 1, 0, -1)])}
             for number, spec in enumerate(plan.specs)]  # fmt: skip
    frozen = [number for number, spec in enumerate(specs) if not spec.get("trainable", True)]
    kinds = {specs[number]["kind"] for number in frozen}
    plain = [spec for spec in specs if spec.get("scale") is False and spec.get("center") is False]
    if "batch_normalization" in kinds or plain:  # its averages; of unknown width in `twin`
        return
    for number, function in plan.functions.items():
        specs[number]["function"] = (function.function, function.derivative)
    x = joined(case.x)
    with np.errstate(all="ignore"):
        graph = twin(network, specs, step=FIRST_PASS, rows=len(x))
        out, expected = network.forward(x, None, True, None, -1), graph.forward(x, training=True)
        g = np.random.default_rng(0).normal(size=out.shape).astype(x.dtype)
        dx, expected_dx = network.backward(g, True, False, None), graph.backward(g)
        for number in frozen:
            graph.gradients.pop(number, None)
        wanted = expected_gradients(network, specs, graph)
    limit = TOLERANCE[model.dtype]
    for name, ours, theirs in (
        ("outputs", out, expected), ("dC/dx", dx, expected_dx), ("dC/dp", network.gradients, wanted)
    ):  # fmt: skip
        scale = np.abs(theirs).max(initial=0)
        if np.isfinite(scale) and not np.abs(ours - theirs).max(initial=0) <= limit * scale + 1e-30:
            error = np.abs(ours - theirs).max() / scale
            yield f"{name} of the graph: {error:.1e}, the reference differs"


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
        if data(other.predict(case.x)) != data(outputs):
            yield f"prediction by {threads} threads"
        if repr(other.evaluate(case.x, case.y)) != repr(whole):
            yield f"evaluation by {threads} threads"
        dc.set_num_threads(1)
    parts = [sorted(rng.choice(case.count + 1, 2, replace=False))]
    for begin, end in [*parts, *((i, i + 1) for i in range(min(9, case.count)))]:
        if data(first.predict(case.rows(begin, end))) != data(first_rows(outputs, begin, end)):
            yield f"rows {begin} to {end}"
    if data(first.forward(case.x, training=False)) != data(outputs):
        yield "forward"
    if data(first.freeze()(joined(case.x))) != data(joined(outputs)):
        yield "frozen"
    first.save(folder / "model", overwrite=True)
    copies = {"loaded": dc.load_model(folder / "model"), "pickled": pickle.loads(
        pickle.dumps(first)), "copied": copy.deepcopy(first)}  # fmt: skip
    history = case.fit(first)
    for name, other in copies.items():
        if (case.fit(other), bits(other)) != (history, bits(first)):
            yield f"{name}, and trained on"


def in_an_ensemble(case: Case, rng: np.random.Generator) -> Iterator[str]:
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
    parser.add_argument("--graphs", action="store_true", help="graphs of layers only")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # random trainings diverge
    dc.set_num_threads(1)
    end, number, failed = time.monotonic() + options.seconds, options.first, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            try:
                graph = options.graphs or number % 3 == 2
                case = graph_case(number) if graph else random_case(number)
                rng = np.random.default_rng(number)
                wrong = list(same_bits(case, rng, Path(folder)))
                wrong += [] if graph else in_an_ensemble(case, rng)
                wrong += against_the_reference(case) if case.plain else []
                wrong += graph_against_the_reference(case)
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
