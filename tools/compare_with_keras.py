"""Random graphs of layers, made and trained by densecore and by Keras 3 from the same weights.

    python tools/compare_with_keras.py [--graphs N] [--first N] [--dtype float64]

A number is a graph: dense layers, embeddings, merges, normalisations, custom layers and
models, layers called several times, models within models, several inputs and outputs, penalties,
constraints, frozen layers; its data, losses, weights of rows and of losses, metrics and optimizer.
Both programs make it by the same calls. What has to agree, in double precision to seven digits
(float32: three): predictions, the losses of five steps and all weights after each, `evaluate` with
its metrics, the history of a `fit`, a part of the model that is trained by itself, and the whole
after some of its layers were frozen. Each graph that differs is printed with its number and its
first difference, and gives status 1.

What is known to differ is left out (docs/from-keras.md): Adam adds epsilon where Keras does,
embeddings have all of their categories in each batch. A few graphs in a thousand differ all the
same: of equal largest values PyTorch shares the gradient, its slope of hard_sigmoid is a float32,
weights that a part does not use have no gradient there, so that their constraints do not act,
`ops.clip` is two layers here, which may come in another order among layers of equal depth,
and the penalty of a weight of 0 (Ftrl makes some) has whatever sign rounding leaves it. Keras runs
on PyTorch, without compiling each graph, unless KERAS_BACKEND is another one.
"""

import argparse
import operator
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

import densecore

LIMIT = {"float32": 2e-3, "float64": 1e-7}
ROWS, CATEGORIES, STEPS = 15, 5, 5
ACTIVATIONS = (
    "linear", "relu", "tanh", "sigmoid", "softmax", "gelu", "elu", "selu", "silu", "softplus",
    "leaky_relu", "softsign", "mish", "hard_sigmoid", "relu6", "exponential", "celu", "log_softmax",
)  # fmt: skip
# For each loss: the last activation, and the kind of targets.
LOSSES = {
    "mse": ("linear", "numbers"), "a function": ("linear", "numbers"),
    "from logits": ("linear", "bits"), "softmax from logits": ("linear", "labels"),
    "mae": ("linear", "numbers"), "huber": ("tanh", "numbers"),
    "log_cosh": ("linear", "numbers"), "poisson": ("softplus", "counts"),
    "mean_squared_logarithmic_error": ("softplus", "counts"),
    "mean_absolute_percentage_error": ("linear", "positive"),
    "binary_crossentropy": ("sigmoid", "bits"), "binary_focal_crossentropy": ("sigmoid", "bits"),
    "categorical_crossentropy": ("softmax", "shares"), "kl_divergence": ("softmax", "shares"),
    "categorical_focal_crossentropy": ("softmax", "shares"),
    "sparse_categorical_crossentropy": ("softmax", "labels"),
    "hinge": ("linear", "signs"), "squared_hinge": ("tanh", "signs"),
    "categorical_hinge": ("linear", "marks"), "cosine_similarity": ("linear", "numbers"),
}  # fmt: skip
METRICS = {
    "numbers": ("mae", "mse", "root_mean_squared_error", "cosine_similarity", "r2_score"),
    "counts": ("mae", "mean_squared_logarithmic_error"),
    "positive": ("mae", "mean_absolute_percentage_error"),
    "bits": ("binary_accuracy", "binary_crossentropy", "accuracy", "mae"),
    "shares": ("categorical_accuracy", "accuracy", "categorical_crossentropy", "kl_divergence"),
    "labels": ("accuracy", "sparse_categorical_crossentropy"),
    "signs": ("hinge", "mae"),
    "marks": ("categorical_hinge", "categorical_accuracy"),
}


class Compilation(NamedTuple):
    """What a model is trained with: arguments of `compile`, x, y, the weights of rows."""

    options: dict[str, Any]
    x: Any
    y: Any
    weight: Any


class Author:
    """A generator of graphs, which calls one of the two programs.

    The same seed makes the same calls of either.
    """

    def __init__(self, program: Any, seed: int) -> None:
        self.program, self.layers, self.rng = program, program.layers, np.random.default_rng(seed)

        self.made: list[Any] = []  # layers with weights, as the author thinks of them

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, things: Any) -> Any:
        return things[int(self.rng.integers(len(things)))]

    # Layers ---------------------------------------------------------------------------------------

    def penalty(self, share: float = 0.2) -> Any:
        kinds = self.program.regularizers
        l1, l2 = self.rng.uniform(0.001, 0.05, 2)
        made = self.pick([kinds.L1(l1), kinds.L2(l2), kinds.L1L2(l1, l2)])
        return made if self.chance(share) else None

    def constraint(self, share: float = 0.1) -> Any:
        kinds = self.program.constraints
        made = self.pick(
            [
                kinds.MaxNorm(0.7),
                kinds.NonNeg(),
                kinds.UnitNorm(),
                kinds.MinMaxNorm(0.2, 0.9, 0.5),
                kinds.MaxNorm(0.7, axis=1),
            ]
        )
        return made if self.chance(share) else None

    def dense(self, units: int, activation: str | None = None, **more: Any) -> Any:
        name = self.pick(ACTIVATIONS) if activation is None else activation
        options = {
            "use_bias": self.chance(0.8),
            "kernel_regularizer": self.penalty(),
            "bias_regularizer": self.penalty(0.1),
            "activity_regularizer": self.penalty(0.15),
            "kernel_constraint": self.constraint(),
            "bias_constraint": self.program.constraints.NonNeg() if self.chance(0.05) else None,
            "trainable": self.chance(0.92),
            **more,
        }
        self.made.append(self.layers.Dense(units, name, **options))
        return self.made[-1]

    def unary(self, row: tuple[int, ...]) -> Any:
        """A layer that keeps the shape of its rows."""
        kinds, rng, width = self.layers, self.rng, row[-1]
        low, high = rng.uniform(0.5, 2, 2)
        divisors = [n for n in range(1, width + 1) if width % n == 0]
        groups = self.pick(divisors)
        flags = {"center": self.chance(0.7), "scale": self.chance(0.7)}
        norm = {
            **flags,
            "gamma_regularizer": self.penalty(0.2) if flags["scale"] else None,
            "beta_regularizer": self.penalty(0.2) if flags["center"] else None,
        }
        makers = [
            lambda: self.dense(width),
            lambda: self.dense(width),
            lambda: kinds.Activation(self.pick(ACTIVATIONS)),
            lambda: kinds.ReLU(2.0, 0.1, 0.2),
            lambda: kinds.LeakyReLU(0.3),
            lambda: kinds.ELU(0.7),
            lambda: kinds.Softmax(),
            lambda: kinds.UnitNormalization(),
            lambda: kinds.ActivityRegularization(low / 50, high / 50),
            lambda: kinds.Identity(),
            lambda: kinds.Dropout(0.0),
            lambda: kinds.Rescaling(low, high),
        ]
        if len(row) == 1:
            makers += [
                lambda: kinds.BatchNormalization(momentum=0.8, **norm, trainable=self.chance(0.8)),
                lambda: kinds.BatchNormalization(epsilon=0.1),
                lambda: kinds.BatchNormalization(),
                lambda: kinds.GroupNormalization(groups, **flags),
                lambda: kinds.LayerNormalization(**norm),
                lambda: kinds.RMSNormalization(),
                lambda: kinds.PReLU(),
            ]
        return self.pick(makers)()

    def element(self, x: Any) -> Any:
        """A function of the elements of a symbol, as users write them."""
        ops = self.program.ops
        return self.pick(
            [
                lambda: 1 - x, lambda: 0.5 * x, lambda: x / 3.0 + 1, lambda: -x,
                lambda: ops.tanh(x), lambda: ops.square(x), lambda: ops.exp(-ops.square(x)),
                lambda: ops.sin(x),
                lambda: ops.abs(x), lambda: ops.log1p(ops.abs(x)), lambda: ops.maximum(x, 0.25),
                lambda: ops.minimum(x, 0.5), lambda: ops.sigmoid(x), lambda: x * ops.sigmoid(x),
                lambda: ops.relu(x), lambda: ops.softmax(x), lambda: x**2,
                lambda: ops.sqrt(x**2 + 1), lambda: 2.0 / (x**2 + 1.0), lambda: x - x * 0.1,
                lambda: ops.softplus(x), lambda: ops.clip(x, -1.0, 1.0),
            ]
        )()  # fmt: skip

    def block(self, width: int) -> Any:
        """A model, or a custom layer, to be called as a layer."""
        if self.chance(0.4):
            return self.own(width)
        stack = [self.program.Input((width,)), self.dense(4), self.unary((4,)), self.dense(3)]
        if self.chance(0.5):
            return self.program.Sequential(stack)
        given = self.program.Input((width,))
        hidden = self.dense(4)(given)
        hidden = self.layers.Add()([self.unary((4,))(hidden), hidden])
        ends = [self.dense(3)(hidden), hidden]
        return self.program.Model(given, ends if self.chance(0.4) else ends[0])

    def own(self, width: int) -> Any:
        """A layer, or a model, with a `call`: weights, layers, one of them called twice, a loss."""
        program, kinds, ops = self.program, self.layers, self.program.ops
        penalty, inner, again = self.penalty(), self.dense(3), self.unary((3,))
        factor = self.rng.uniform(0.05, 0.2) if self.chance(0.4) else None
        second_first = self.chance(0.5)

        class Own(kinds.Layer):
            def __init__(self) -> None:
                super().__init__()
                self.inner, self.again = inner, again

            def build(self, input_shape: Any) -> None:
                shape = (input_shape[-1], 3)
                self.kernel = self.add_weight(shape=shape, regularizer=penalty, name="kernel")
                self.bias = self.add_weight(shape=(3,), initializer="zeros", name="bias")

            def call(self, x: Any) -> Any:
                a, b = ops.matmul(x, self.kernel) + self.bias, self.inner(x)
                if second_first:
                    second = self.again(b)
                    first = self.again(a)
                else:
                    first = self.again(a)
                    second = self.again(b)
                if factor is not None:
                    self.add_loss(factor * ops.mean(ops.square(first)))
                return ops.concatenate([ops.tanh(first) * second, b], axis=-1)

        class OwnModel(program.Model):
            def __init__(self) -> None:
                super().__init__()
                self.inner, self.again = inner, again

            def call(self, x: Any, training: bool = False) -> Any:
                h = self.inner(x)
                second = self.again(1 - h, training=training) if second_first else h
                return self.again(h, training=training) + second

        return (Own if self.chance(0.6) else OwnModel)()

    # Graphs ---------------------------------------------------------------------------------------

    def graph(self, dtype: str) -> tuple[Any, list[Any]]:
        """A model, and rows of each of its inputs."""
        kinds, rng = self.layers, self.rng
        inputs: list[Any] = []
        arrays: list[Any] = []
        pool: list[Any] = []
        for number in range(int(rng.integers(1, 4))):
            form = self.pick(["vector", "vector", "categories", "matrix"])
            row = {"vector": (int(rng.integers(3, 6)),), "matrix": (3, 4), "categories": (2,)}[form]
            given = self.program.Input(row, name=f"in_{number}")
            inputs.append(given)
            if form == "categories":
                ids = np.arange(ROWS * 2) % CATEGORIES
                arrays.append(rng.permutation(ids).reshape(ROWS, 2))
                table = kinds.Embedding(
                    CATEGORIES, 3, embeddings_regularizer=self.penalty(),
                    embeddings_constraint=self.constraint(),
                )  # fmt: skip
                pool.append(self.flat(table(given)))
            else:
                arrays.append(rng.normal(0.3, 1.2, (ROWS, *row)).astype(dtype))
                pool.append(given if form == "vector" else self.matrix(given))
        shared, again = self.dense(4), self.unary((4,))
        unused = list(pool)

        def take() -> Any:
            found = self.pick(unused if unused and self.chance(0.6) else pool)
            unused[:] = [symbol for symbol in unused if symbol is not found]
            return found

        def of_width(symbol: Any, width: int) -> Any:
            return symbol if symbol.shape[-1] == width else self.dense(width)(symbol)

        for _ in range(int(rng.integers(3, 9))):
            a = take()
            width = int(a.shape[-1])
            form = self.pick(
                ["unary", "unary", "unary", "merge", "merge", "concatenate", "dot", "element",
                 "shared", "shared norm", "block", "repeat", "operator", "part"]
            )  # fmt: skip
            if form == "merge":
                b = of_width(take(), width)
                merge = self.pick(["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])
                more = [a] if merge != "Subtract" and self.chance(0.3) else []
                found = [getattr(kinds, merge)()([a, b, *more])]
            elif form == "operator":
                b = of_width(take(), width)
                found = [self.pick([operator.add, operator.sub, operator.mul])(a, b)]
            elif form == "concatenate":
                found = [kinds.Concatenate()([a, take(), a][: int(rng.integers(2, 4))])]
            elif form == "dot":
                found = [
                    kinds.Dot(axes=-1, normalize=self.chance(0.5))([a, of_width(take(), width)])
                ]
            elif form == "element":
                found = [self.element(a)]
            elif form == "repeat":
                found = [self.matrix(kinds.RepeatVector(int(rng.integers(1, 4)))(a))]
            elif form == "shared":
                found = [shared(of_width(a, 3)), shared(of_width(take(), 3))]
            elif form == "shared norm":
                found = [again(of_width(a, 4)), again(of_width(take(), 4))]
            elif form == "part":
                a = self.dense(width)(a)
                first = int(rng.integers(width))
                found = [a[:, first : first + 2]]
            elif form == "block":
                block = self.block(width)
                found = [*self.several(block(a))]
                if self.chance(0.4):
                    found += self.several(block(of_width(take(), width)))
            else:
                found = [self.unary((width,))(a)]
            pool += found
            unused += found
        joined = kinds.Concatenate()(unused) if len(unused) > 1 else unused[0]
        self.ends = [(self.pick(list(LOSSES)), int(rng.integers(2, 4)))]
        if self.chance(0.5):
            self.ends.append((self.pick(list(LOSSES)), int(rng.integers(2, 4))))
        if self.chance(0.2):
            self.ends.append((self.pick(list(LOSSES)), 2))
        joined = kinds.UnitNormalization()(joined)  # Keras cuts probabilities at 1e-7
        outputs = []
        for number, (loss, units) in enumerate(self.ends):
            taken = joined if number == 0 else kinds.UnitNormalization()(self.pick(pool))
            if number == 1 and self.chance(0.3):
                taken = outputs[0]
            outputs.append(self.dense(units, LOSSES[loss][0], name=f"out_{number}")(taken))
        self.by_name = len(outputs) > 1 and self.chance(0.3)
        given = inputs[0] if len(inputs) == 1 else inputs
        end: Any = outputs[0] if len(outputs) == 1 else outputs
        if self.by_name:
            end = {f"key_{number}": output for number, output in enumerate(outputs)}
        self.inputs, self.pool = given, pool
        return self.program.Model(given, end), arrays

    def several(self, found: Any) -> list[Any]:
        return list(found) if isinstance(found, list | tuple) else [found]

    def flat(self, x: Any) -> Any:
        kinds = self.layers
        if self.chance(0.5):
            return kinds.Flatten()(x)
        return self.pick([kinds.GlobalAveragePooling1D, kinds.GlobalMaxPooling1D])()(x)

    def matrix(self, x: Any) -> Any:
        """Rows of two dimensions on their way to one."""
        kinds = self.layers
        x = self.dense(int(self.rng.integers(2, 5)))(x)
        if self.chance(0.4):
            x = self.unary(tuple(x.shape[1:]))(x)
        if self.chance(0.3):
            x = kinds.Permute((2, 1))(x)
        if self.chance(0.2):
            x = kinds.Concatenate(axis=1)([x, x])
        if self.chance(0.2):
            x = kinds.Dot(axes=self.pick([1, 2]))([x, x])
        return self.flat(x)

    # Training -------------------------------------------------------------------------------------

    def optimizer(self) -> Any:
        kinds = self.program.optimizers
        adam = {"epsilon_hat": True} if self.program is densecore else {}  # Keras's
        clip = self.pick(
            [{}, {}, {}, {"clipnorm": 0.5}, {"global_clipnorm": 0.8}, {"clipvalue": 0.1}]
        )
        return self.pick(
            [
                lambda: kinds.SGD(0.02, **clip),
                lambda: kinds.SGD(0.02, momentum=0.9, **clip),
                lambda: kinds.SGD(0.02, momentum=0.8, nesterov=True, weight_decay=0.01),
                lambda: kinds.Adam(0.003, **adam, **clip),
lambda: kinds.SGD(kinds.schedules.ExponentialDecay(0.05, 3, 0.5), momentum=0.5),
                lambda: kinds.Adam(kinds.schedules.CosineDecay(0.01, 6), **adam),
                lambda: kinds.AdamW(0.003, weight_decay=0.1, **adam, **clip),
                lambda: kinds.RMSprop(0.003, **clip),
                lambda: kinds.RMSprop(0.003, momentum=0.9, centered=True),
                lambda: kinds.Adagrad(0.02, **clip),
                lambda: kinds.Adamax(0.003),
                lambda: kinds.Nadam(0.003),
                lambda: kinds.Adadelta(0.5),
                lambda: kinds.Ftrl(0.02),
                lambda: kinds.SGD(0.02, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2),
                lambda: kinds.Adam(0.003, gradient_accumulation_steps=2, **adam),
            ]
        )()  # fmt: skip

    def loss(self, name: str, targets: str) -> Any:
        kinds = self.program.losses
        if name == "binary_crossentropy" and self.chance(0.3):
            return kinds.BinaryCrossentropy(label_smoothing=0.1)
        if name == "categorical_crossentropy" and self.chance(0.3):
            return kinds.CategoricalCrossentropy(label_smoothing=0.1)
        if name == "a function":
            ops = self.program.ops
            return lambda true, found: ops.mean(ops.log(1 + ops.square(true - found)), axis=-1)
        if name == "from logits":
            return kinds.BinaryCrossentropy(from_logits=True)
        if name == "softmax from logits":
            return kinds.SparseCategoricalCrossentropy(from_logits=True)
        if name == "huber" and self.chance(0.5):
            return kinds.Huber(delta=0.4)
        if name == "mse" and self.chance(0.3):
            return kinds.MeanSquaredError(reduction=self.pick(["sum", "mean_with_sample_weight"]))
        return name

    def targets(self, kind: str, units: int, dtype: str) -> Any:
        rng = self.rng
        labels = rng.integers(0, units, ROWS)
        return {
            "numbers": rng.normal(size=(ROWS, units)).astype(dtype),
            "counts": rng.poisson(2, (ROWS, units)).astype(dtype),
            "positive": rng.uniform(1, 3, (ROWS, units)).astype(dtype),
            "bits": rng.integers(0, 2, (ROWS, units)).astype(dtype),
            "shares": np.eye(units, dtype=dtype)[labels],
            "marks": np.eye(units, dtype=dtype)[labels],
            "labels": labels,
            "signs": rng.choice([-1, 1], (ROWS, units)).astype(dtype),
        }[kind]

    def metrics(self, end: tuple[str, int]) -> list[Any]:
        loss, _ = end
        names = METRICS[LOSSES[loss][1]]
        return [] if "logits" in loss else [self.pick(names)]

    def compilation(self, arrays: list[Any], dtype: str) -> Compilation:
        kinds = [LOSSES[loss][1] for loss, _ in self.ends]
        losses: Any = [
            self.loss(loss, kind) for (loss, _), kind in zip(self.ends, kinds, strict=True)
        ]
        y: Any = [
            self.targets(kind, units, dtype)
            for kind, (_, units) in zip(kinds, self.ends, strict=True)
        ]
        several = len(losses) > 1
        metrics, weighted = ([self.metrics(each) for each in self.ends] for _ in range(2))
        factors: Any = [float(each) for each in self.rng.uniform(0.3, 2, len(losses))]
        weights: Any = [self.rng.uniform(0.2, 2, ROWS).astype(dtype) for _ in losses]
        if self.by_name:
            keys = [f"key_{number}" for number in range(len(losses))]
            losses, y, metrics, weighted, factors, weights = (
                dict(zip(keys, each, strict=True))
                for each in (losses, y, metrics, weighted, factors, weights)
            )
        elif not several:
            losses, y, weights = losses[0], y[0], weights[0]
            metrics, weighted = metrics[0], weighted[0]
        options = {"optimizer": self.optimizer(), "loss": losses}
        if several and self.chance(0.6):
            options["loss_weights"] = factors
        if self.chance(0.6):
            options["metrics"] = metrics
        if self.chance(0.4):
            options["weighted_metrics"] = weighted
        x = arrays[0] if len(arrays) == 1 else arrays
        if isinstance(x, list) and self.chance(0.3):
            x = {f"in_{number}": array for number, array in enumerate(arrays)}
        return Compilation(options, x, y, weights if self.chance(0.5) else None)


def leaves(found: Any) -> list[Any]:
    if isinstance(found, dict):
        found = list(found.values())
    return [np.asarray(each) for each in (found if isinstance(found, list | tuple) else [found])]


class Found(NamedTuple):
    """A name and its numbers in one of the programs."""

    name: str
    numbers: Any


def named(when: str, logs: dict[str, Any]) -> Iterator[Found]:
    for name in sorted(logs):
        yield Found(f"{when}: {name}", logs[name])


def weights_of(when: str, model: Any) -> Iterator[Found]:
    for number, each in enumerate(model.get_weights()):
        yield Found(f"{when}: weight {number}, {each.shape}", each)


def outputs_of(when: str, model: Any, x: Any) -> Iterator[Found]:
    for number, each in enumerate(leaves(model.predict(x, verbose=0))):
        yield Found(f"{when}: output {number}", each)


def other_numbers(arrays: list[Any], seed: int) -> list[Any]:
    """Weights of the same shapes: kernels around 0, all else (variances among it) above it."""
    rng = np.random.default_rng(seed)
    found = []
    for array in arrays:
        numbers = rng.uniform(0.4, 1.6, array.shape)
        signs = rng.choice([-0.4, 0.4], array.shape) if array.ndim > 1 else 1
        found.append(numbers * signs)
    return found


def steps(when: str, model: Any, given: Compilation, count: int) -> Iterator[Found]:
    for step in range(count):
        model.reset_metrics()  # Keras would give means since the first step
        logs = model.train_on_batch(given.x, given.y, given.weight, return_dict=True)
        yield from named(f"{when} {step}", logs)
        yield from weights_of(f"{when} {step}", model)


def trained(program: Any, seed: int, dtype: str, start: list[Any] | None) -> Iterator[Any]:
    """The initial weights, then everything that has to agree."""
    author = Author(program, seed)
    model, arrays = author.graph(dtype)
    given = author.compilation(arrays, dtype)
    how = {"run_eagerly": True} if program is keras else {}
    model.compile(**given.options, **how)
    if start is None:
        start = other_numbers(model.get_weights(), seed)
    wanted = [array.shape for array in model.get_weights()]
    if wanted != [np.shape(array) for array in start]:
        raise AssertionError(f"shapes of weights {wanted}")
    model.set_weights(start)
    yield start
    yield from outputs_of("at first", model, given.x)
    yield from steps("step", model, given, STEPS)
    options = {"sample_weight": given.weight, "verbose": 0}
    logs = model.evaluate(given.x, given.y, batch_size=4, return_dict=True, **options)
    yield from named("evaluate", logs)
    held_out = (given.x, given.y, given.weight)[: 2 if given.weight is None else 3]
    history = model.fit(
        given.x, given.y, epochs=2, shuffle=False, batch_size=ROWS, validation_data=held_out,
        **options,
    )  # fmt: skip
    yield from named("fit", history.history)
    yield from weights_of("after fit", model)
    # A part that shares the layers, trained by itself, and the whole after it.
    end = author.pick(author.pool)
    part = program.Model(author.inputs, end)
    part.compile(program.optimizers.SGD(0.02, momentum=0.5), "mse", **how)
    yield from outputs_of("part", part, given.x)
    zeros = np.zeros((ROWS, *end.shape[1:]), dtype)
    for step in range(2):
        yield Found(f"part: loss {step}", part.train_on_batch(given.x, zeros))
    yield from outputs_of("after the part", model, given.x)
    # Some layers frozen.
    for layer in author.made:
        if author.chance(0.3):
            layer.trainable = not layer.trainable
    model.compile(**{**given.options, "optimizer": author.optimizer()}, **how)
    yield from steps("frozen, step", model, given, 2)
    yield from outputs_of("at the end", model, given.x)


def differences(seed: int, dtype: str) -> Iterator[str]:
    """The first difference of a graph, if there is one."""
    try:
        theirs = list(trained(keras, seed, dtype, None))
    except RuntimeError as error:  # PyTorch's: probabilities that are NaN
        print(f"graph {seed}: Keras stops: {str(error).splitlines()[0]}", flush=True)
        return
    ours = list(trained(densecore, seed, dtype, theirs[0]))
    names = [{each.name for each in found[1:]} for found in (ours, theirs)]
    if names[0] != names[1]:
        yield f"names: ours {sorted(names[0] - names[1])}, theirs {sorted(names[1] - names[0])}"
    by_name = {each.name: np.asarray(each.numbers, np.float64) for each in theirs[1:]}
    for name, numbers in ours[1:]:
        if name not in by_name:
            continue
        found, wanted = np.asarray(numbers, np.float64), by_name[name]
        if found.shape != wanted.shape:
            yield f"{name}: shapes {found.shape} and {wanted.shape}"
            return
        if not np.isfinite(wanted).all():
            return  # such weights of Keras's make the numbers that follow meaningless
        scale = max(1e-2, float(np.abs(wanted).max(initial=0)))
        error = float(np.abs(found - wanted).max(initial=0)) / scale
        if not error <= LIMIT[dtype]:
            yield f"{name}: {error:.1e}: {found.ravel()[:4]}, Keras {wanted.ravel()[:4]}"
            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graphs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--dtype", choices=sorted(LIMIT), default="float64")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    keras.backend.set_floatx(options.dtype)
    if options.dtype == "float64":  # products of two arrays would be float32 in Keras
        from keras.src.backend.common import dtypes

        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    densecore.backend.set_floatx(options.dtype)
    failed = 0
    for seed in range(options.first, options.first + options.graphs):
        try:
            wrong = list(differences(seed, options.dtype))
        except Exception:
            wrong = [traceback.format_exc()]
        for text in wrong:
            print(f"graph {seed}: {text}", flush=True)
        failed += bool(wrong)
    print(f"{options.graphs} graphs, {failed} of them differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
