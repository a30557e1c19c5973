"""Subclasses of models with `compute_loss`, `compute_metrics`, `train_step` of their own."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, ops

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = X[:, :1] - X[:, 1:2]


def made(kind: Any, **options: Any) -> Any:
    first = dc.Input((3,))
    hidden = layers.Dense(4, "tanh", kernel_regularizer=dc.regularizers.L2(0.1))(first)
    return kind(first, layers.Dense(1)(hidden), seed=3, **options)


class Same(dc.Model):
    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> Any:
        return super().compute_loss(x, y, y_pred, sample_weight)


class ByHand(dc.Model):
    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> Any:
        assert x.shape[1:] == (3,)
        loss = ops.square(y - y_pred)[:, 0]
        loss = loss if sample_weight is None else loss * sample_weight
        return ops.mean(loss) + sum(self.losses)


@pytest.mark.parametrize("kind", [Same, ByHand])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_same_loss_trains_the_same(kind: Any, weighted: bool) -> None:
    weight = np.linspace(0.1, 2, 40) if weighted else None
    found = []
    for each in (dc.Model, kind):
        model = made(each)
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(
            X, Y, epochs=3, batch_size=8, sample_weight=weight, validation_data=(X, Y), verbose=0
        )
        found.append((history.history, model.get_weights(), model.evaluate(X, Y)))
    assert list(found[0][0]) == list(found[1][0])
    for name, values in found[0][0].items():
        assert found[1][0][name] == pytest.approx(values, rel=1e-5)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert found[0][2] == pytest.approx(found[1][2], rel=1e-5)


def test_trackers_are_reported_and_start_anew_with_each_epoch() -> None:
    class Tracked(dc.Model):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.seen = dc.metrics.Mean(name="seen")

        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, **_: Any) -> Any:
            loss = ops.mean(ops.abs(y - y_pred))
            self.seen.update_state(loss)
            return loss

    model = made(Tracked)
    model.compile("sgd")
    history = model.fit(X, Y, epochs=2, batch_size=10, verbose=0, validation_data=(X, Y)).history
    assert list(history) == ["loss", "seen", "val_loss", "val_seen"]
    penalty = 0.1 * sum((w**2).sum() for w in [model.layers[1].kernel])
    value, seen = model.evaluate(X, Y, batch_size=40)  # a mean of batches
    assert value == pytest.approx(seen + penalty, rel=1e-5)
    assert [metric.name for metric in model.metrics] == ["seen"]
    assert model.train_on_batch(X, Y)[1] == pytest.approx(seen, rel=1e-4)


def test_no_targets_and_several_outputs() -> None:
    class Auto(dc.Model):
        def __init__(self) -> None:
            super().__init__()
            self.code, self.back = layers.Dense(2), layers.Dense(3)

        def call(self, x: Any) -> Any:
            code = self.code(x)
            return self.back(code), code

        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, **_: Any) -> Any:
            assert y is None
            back, code = y_pred
            return ops.mean(ops.square(x - back)) + 0.01 * ops.mean(ops.square(code))

    dc.utils.set_random_seed(0)
    model = Auto()
    model.compile(dc.optimizers.Adam(0.05))
    history = model.fit(X, epochs=20, batch_size=20, verbose=0).history["loss"]
    assert history[-1] < 0.7 * history[0]
    assert [part.shape for part in model.predict(X)] == [(40, 3), (40, 2)]


def test_targets_in_a_structure_come_as_they_were_given() -> None:
    shapes = []

    class Two(dc.Model):
        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, **_: Any) -> Any:
            shapes.append({name: part.shape for name, part in y.items()})
            return ops.mean(ops.square(y["a"] - y_pred)) + 0 * ops.mean(y["b"])

    model = made(Two)
    model.compile("sgd")
    model.fit(X, {"a": Y, "b": np.zeros((40, 2, 2))}, batch_size=40, verbose=0)
    assert shapes == [{"a": (40, 1), "b": (40, 2, 2)}]


def test_compute_metrics_says_what_is_reported() -> None:
    class More(dc.Model):
        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            found = super().compute_metrics(x, y, y_pred, sample_weight)
            return {**found, "twice": 2 * found["loss"]}

    model = made(More)
    model.compile("sgd", "mse", metrics=["mae"])
    stop = dc.callbacks.EarlyStopping(monitor="val_twice", patience=5)
    history = model.fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y), callbacks=[stop]).history
    assert set(history) == {"loss", "mae", "twice", "val_loss", "val_mae", "val_twice"}
    assert history["twice"] == pytest.approx([2 * value for value in history["loss"]])
    assert set(model.evaluate(X, Y, return_dict=True)) == {"loss", "mae", "twice"}


def test_train_steps_may_change_the_batch() -> None:
    class Doubled(dc.Model):
        def train_step(self, data: Any) -> Any:
            x, y = data
            return super().train_step((2 * x, y))

    found = []
    for kind, x in ((Doubled, X), (dc.Model, 2 * X)):
        model = made(kind)
        model.compile("adam", "mse")
        model.fit(x, Y, epochs=2, batch_size=8, verbose=0)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_train_step_makes_the_step_itself() -> None:
    """By forward, backward and an optimizer: the same weights as `fit` of a plain model."""

    class ByHand(dc.Model):
        def train_step(self, data: Any) -> Any:
            x, y = data
            outputs = self.forward(x)
            self.backward((2 * (outputs - y) / y.size).astype(x.dtype))
            gradients = [
                gradient for layer in self.layers if layer.weights
                for gradient in (layer.kernel_gradient, layer.bias_gradient)
            ]  # fmt: skip
            if self.by_arrays:
                self.optimizer.apply_gradients(
                    zip([g.copy() for g in gradients], self.trainable_variables, strict=True)
                )
            else:
                self.apply_gradients()
            for metric in self.metrics:
                metric.update_state(y, outputs)
            return {
                "loss": np.mean((outputs - y) ** 2),
                **{m.name: m.result() for m in self.metrics},
            }

    plain = made(dc.Model)
    plain.compile("adam", "mse", metrics=["mae"])
    plain.fit(X, Y, epochs=2, batch_size=8, verbose=0, shuffle=False)
    for by_arrays in (False, True):
        model = made(ByHand)
        model.by_arrays = by_arrays
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(X, Y, epochs=2, batch_size=8, verbose=0, shuffle=False).history
        assert set(history) == {"loss", "mae"}
        for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert history["mae"][-1] == pytest.approx(plain.history.history["mae"][-1], rel=1e-5)


def test_gradients_of_other_libraries_are_refused_by_name() -> None:
    def tape(self: Any, data: Any) -> Any:
        with tf.GradientTape() as t:  # noqa: F821
            t.watch(data)

    def stateless(self: Any, state: Any, data: Any) -> Any:
        return jax.value_and_grad(self.compute_loss)(state)  # noqa: F821

    def backward(self: Any, data: Any) -> Any:
        self.zero_grad()
        self(data).backward()

    for step, said in ((tape, "TensorFlow's tape"), (stateless, "JAX's"), (backward, "PyTorch's")):
        with pytest.raises(TypeError, match=f"class Mine: found a method train_step, with {said}.*"
                           "wanted compute_loss.*self.forward"):  # fmt: skip
            type("Mine", (dc.Model,), {"train_step": step})


def test_what_no_loop_calls_is_refused() -> None:
    with pytest.raises(TypeError, match=r"found a method train_step, .*compute_loss"):

        class Tape(dc.Model):
            def train_step(self, data: Any) -> Any:
                return {}

    class Never(dc.Model):
        def train_step(self, data: Any) -> Any:
            return {} if data else super().train_step(data)

    model = made(Never)
    model.compile("adam", "mse")
    before = model.get_weights()
    with pytest.raises(TypeError, match=r"makes no step, wanted super\(\).train_step"):
        model.fit(X, Y, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    model = made(Same)
    model.compile("adam")
    with pytest.raises(ValueError, match="found no loss that the model is compiled with"):
        model.fit(X, Y, verbose=0)
