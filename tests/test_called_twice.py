"""Layers with averages or random numbers that are called several times in one model."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import assert_close
from densecore import layers, ops

ROWS = 40
RNG = np.random.default_rng(0)
A, B = RNG.normal(1, 2, (ROWS, 3)), RNG.normal(-3, 1, (ROWS, 3))
Y = RNG.normal(size=(ROWS, 3))
MOMENTUM, EPSILON = 0.7, 1e-3


def norm(**options: Any) -> layers.BatchNormalization:
    return layers.BatchNormalization(momentum=MOMENTUM, name="norm", **options)


@dc.saving.register_keras_serializable("called twice")
class BothWays(layers.Layer):
    """Calls its normalisation with the second input first."""

    def __init__(self, **general: Any) -> None:
        super().__init__(**general)
        self.norm = norm()

    def call(self, a: Any, b: Any) -> Any:
        second = self.norm(b)
        return self.norm(a) - second


@dc.saving.register_keras_serializable("called twice")
class OwnModel(dc.Model):
    def __init__(self, **general: Any) -> None:
        super().__init__(**general)
        self.norm = norm()

    def call(self, inputs: Any) -> Any:
        second = self.norm(inputs[1])
        return self.norm(inputs[0]) - second


def functional(deeper: str, nested: bool = False) -> dc.Model:
    """norm(a) - norm(b), with a layer that does nothing behind some of the calls: the order is not
    that of the program, but follows from the graph, by Keras's rules."""
    inputs: Any = {"a": dc.Input(3), "b": dc.Input(3)}
    each: Any = norm()
    if nested:
        each = dc.Sequential([dc.Input(3), each], name="block")
    ends = {key: each(inputs[key]) for key in "ba"}
    for key in deeper:
        ends[key] = layers.Rescaling(1.0)(ends[key])
    end = layers.Subtract()([ends["a"], ends["b"]])
    return dc.Model(list(inputs.values()), end, dtype="float64", seed=1)


def of_own_layers() -> dc.Model:
    a, b = dc.Input(3), dc.Input(3)
    return dc.Model([a, b], BothWays()(a, b), dtype="float64", seed=1)


def subclassed() -> dc.Model:
    model = OwnModel(dtype="float64", seed=1)
    model.build([(None, 3), (None, 3)])
    return model


#: How it is made, and which input is normalised first: as Keras 3.15 does it.
MODELS: dict[str, tuple[Callable[[], dc.Model], str]] = {
    "side by side": (lambda: functional(""), "ab"),
    "first deeper": (lambda: functional("a"), "ab"),
    "second deeper": (lambda: functional("b"), "ab"),
    "both deeper": (lambda: functional("ab"), "ba"),
    "nested": (lambda: functional("", nested=True), "ab"),
    "nested, both deeper": (lambda: functional("ab", nested=True), "ba"),
    "own layer": (of_own_layers, "ba"),
    "own model": (subclassed, "ba"),
}


def arrays(model: dc.Model) -> list[Any]:
    """gamma, beta, moving mean and variance, as copies."""
    return [array.copy() for array in model.get_weights()]


def moved(state: Any, found: Any) -> Any:
    return MOMENTUM * state + (1 - MOMENTUM) * found


def compiled(name: str, rate: float = 0.1) -> dc.Model:
    model = MODELS[name][0]()
    model.set_weights(list(np.random.default_rng(3).uniform(0.5, 2, (4, 3))))
    model.compile(dc.optimizers.SGD(rate), "mse")
    return model


@pytest.mark.parametrize("name", MODELS)
def test_averages_take_each_call_in_keras_order(name: str) -> None:
    model = compiled(name)
    gamma, beta, mean, variance = arrays(model)
    given = {"a": A, "b": B}
    for key in MODELS[name][1]:
        mean, variance = moved(mean, given[key].mean(0)), moved(variance, given[key].var(0))
    h = {k: (x - x.mean(0)) / np.sqrt(x.var(0) + EPSILON) for k, x in given.items()}
    out = (gamma * h["a"] + beta) - (gamma * h["b"] + beta)
    g = 2 * (out - Y) / Y.size
    loss = model.train_on_batch([A, B], Y)
    assert loss == pytest.approx(np.mean((out - Y) ** 2), rel=1e-12)
    found = arrays(model)
    assert_close(found[0], gamma - 0.1 * np.sum(g * (h["a"] - h["b"]), axis=0), 1e-12, "gamma")
    assert_close(found[1], beta, 1e-12, "beta")  # what one call adds, the other takes away
    assert_close(found[2], mean, 1e-12, "moving mean")
    assert_close(found[3], variance, 1e-12, "moving variance")


@pytest.mark.parametrize("name", MODELS)
def test_predictions_use_the_averages_in_both_calls(name: str, tmp_path: Path) -> None:
    model = compiled(name)
    model.fit([A, B], Y, batch_size=16, epochs=2, verbose=0)
    gamma, beta, mean, variance = arrays(model)
    a, b = (gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta for x in (A, B))
    found = model.predict([A, B])
    assert_close(found, a - b, 1e-12)
    assert model.evaluate([A, B], Y) == pytest.approx(np.mean((a - b - Y) ** 2), rel=1e-12)
    assert [array.tobytes() for array in arrays(model)] == [
        array.tobytes() for array in (gamma, beta, mean, variance)
    ]
    assert model.freeze()(np.hstack([A, B])).tobytes() == found.tobytes()
    model.save(tmp_path / "model")
    copies = [dc.load_model(tmp_path / "model"), pickle.loads(pickle.dumps(model))]
    copies += [copy.deepcopy(model)]
    model.fit([A, B], Y, batch_size=16, verbose=0)
    for other in copies:
        assert other.predict([A, B]).tobytes() == found.tobytes()
        other.fit([A, B], Y, batch_size=16, verbose=0)
        for one, another in zip(arrays(other), arrays(model), strict=True):
            assert one.tobytes() == another.tobytes()
    clone = dc.models.clone_model(model)
    clone.set_weights(model.get_weights())
    clone.compile(dc.optimizers.SGD(0.1), "mse")
    again = compiled(name)
    again.set_weights(model.get_weights())
    for each in (clone, again):
        each.train_on_batch([A, B], Y)
    for one, another in zip(arrays(clone), arrays(again), strict=True):
        assert one.tobytes() == another.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_frozen_ones_use_and_keep_their_averages(name: str) -> None:
    model = compiled(name)
    for layer in model._all_layers():
        layer.trainable = False
    before = arrays(model)
    predicted = model.predict([A, B])
    assert model.train_on_batch([A, B], Y) == pytest.approx(np.mean((predicted - Y) ** 2))
    for one, another in zip(arrays(model), before, strict=True):
        assert one.tobytes() == another.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_the_same_bits_by_threads_and_batches_in_python(name: str) -> None:
    results = []
    before = dc.get_num_threads()
    hook = dc.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    try:
        for threads, callbacks in ((1, []), (3, []), (1, [hook])):
            dc.set_num_threads(threads)
            model = compiled(name)
            model.fit([A, B], Y, batch_size=16, epochs=3, verbose=0, callbacks=callbacks)
            results.append(b"".join(array.tobytes() for array in arrays(model)))
    finally:
        dc.set_num_threads(before)
    assert len(set(results)) == 1


def test_members_of_an_ensemble_are_models_alone() -> None:
    ensemble = dc.Ensemble(compiled("both deeper"), 3)
    ensemble.fit([A, B], Y, batch_size=16, epochs=2, verbose=0)
    for number in range(3):
        alone = dc.Model.from_config(
            {**compiled("both deeper").get_config(), "seed": ensemble.seeds[number]}
        )
        alone.compile(dc.optimizers.SGD(0.1), "mse")
        alone.fit([A, B], Y, batch_size=16, epochs=2, verbose=0)
        assert alone.predict([A, B]).tobytes() == ensemble.member(number).predict([A, B]).tobytes()


# Random numbers -----------------------------------------------------------------------------------


@dc.saving.register_keras_serializable("called twice")
class DropsTwice(layers.Layer):
    def __init__(self, **general: Any) -> None:
        super().__init__(**general)
        self.drop = layers.Dropout(0.5)

    def call(self, x: Any) -> Any:
        return layers.concatenate([self.drop(x), self.drop(x)])


@dc.saving.register_keras_serializable("called twice")
class AddsNoise(layers.Layer):
    def call(self, x: Any) -> Any:
        return x + dc.random.normal(shape=ops.shape(x))


RANDOM: dict[str, Callable[[], Any]] = {
    "dropout": lambda: layers.Dropout(0.5),
    "noise": lambda: layers.GaussianNoise(1.0),
    "gaussian dropout": lambda: layers.GaussianDropout(0.5),
    "alpha dropout": lambda: layers.AlphaDropout(0.5),
    "nested": lambda: dc.Sequential([dc.Input(50), layers.Dropout(0.5)]),
    "custom noise": lambda: AddsNoise(),
}


@pytest.mark.parametrize("kind", [*RANDOM, "own layer"])
def test_each_call_draws_numbers_of_its_own(kind: str) -> None:
    def made() -> dc.Model:
        x = dc.Input(50)
        if kind == "own layer":
            return dc.Model(x, DropsTwice()(x), seed=3)
        layer = RANDOM[kind]()
        return dc.Model(x, layers.concatenate([layer(x), layer(x)]), seed=3)

    model, x = made(), np.ones((20, 50), np.float32)
    first, second = np.split(np.asarray(model(x, training=True)), 2, axis=1)
    assert (first != second).mean() > 0.2, "the same numbers twice"
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.15
    assert (np.asarray(model(x, training=True))[:, :50] != first).any(), "the same in each pass"
    # The numbers follow from the seed alone.
    again = np.split(np.asarray(made()(x, training=True)), 2, axis=1)
    assert again[0].tobytes() == first.tobytes()
    assert again[1].tobytes() == second.tobytes()
    out = model.predict(x)
    assert out[:, :50].tobytes() == out[:, 50:].tobytes()
    assert (out == 1).all()


def test_a_gradient_goes_through_the_numbers_of_its_own_call() -> None:
    x = dc.Input(30)
    drop = layers.Dropout(0.5)
    model = dc.Model(x, layers.Add()([drop(x), layers.Rescaling(10.0)(drop(x))]), dtype="float64")
    given = np.random.default_rng(0).normal(size=(8, 30))
    out = model.forward(given)
    slopes = model.backward(np.ones_like(out), input_gradient=True)
    assert_close(slopes * given, out, 1e-12)  # of one factor for each element
    assert set(np.unique(slopes)) == {0.0, 2.0, 20.0, 22.0}


# Exports ------------------------------------------------------------------------------------------


@dc.saving.register_keras_serializable("called twice")
class Flips(layers.Layer):
    """Computes something else for other arguments, with the same weights."""

    def __init__(self, **general: Any) -> None:
        super().__init__(**general)
        self.dense = layers.Dense(3, "tanh", name="tower")

    def call(self, x: Any, other: Any = None, flip: bool = False) -> Any:
        h = self.dense(x)
        h = h if other is None else h + self.dense(other)
        return 1 - h if flip else h


def in_several_ways() -> tuple[dc.Model, list[Any]]:
    a, b = dc.Input(4, name="a"), dc.Input(4, name="b")
    own, tower = Flips(), layers.Dense(5, "relu", name="shared")
    block = dc.Sequential([dc.Input(5), layers.Dense(3, name="inner"), layers.BatchNormalization()])
    ends = [own(a), own(a, b), own(b, flip=True), block(tower(a)), block(tower(b))]
    model = dc.Model([a, b], layers.Dense(2)(layers.concatenate(ends)), seed=3)
    rng = np.random.default_rng(4)
    model.set_weights([rng.uniform(0.3, 1, array.shape) for array in model.get_weights()])
    return model, [rng.normal(size=(9, 4)).astype("f") for _ in range(2)]


def test_onnx_has_each_weight_once(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model, x = in_several_ways()
    model.export(tmp_path / "m.onnx")
    written = onnx.load(tmp_path / "m.onnx").graph.initializer
    sizes = [int(np.prod(each.dims)) for each in written if len(each.dims) == 2]
    assert sorted(sizes) == sorted(a.size for a in model.get_weights() if a.ndim == 2)
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    assert_close(session.run(None, {"a": x[0], "b": x[1]})[0], model.predict(x), 1e-6)


def test_c_has_each_weight_once(tmp_path: Path) -> None:
    model, _ = in_several_ways()
    model.export(tmp_path / "m.h")
    text = (tmp_path / "m.h").read_text()
    for name, size in (("shared_kernel", 20), ("inner_kernel", 15), ("tower_kernel", 12)):
        assert sum(f"{name}_" in line and f"[{size}]" in line for line in text.splitlines()) == 1


def test_torch_has_each_weight_once() -> None:
    model, x = in_several_ways()
    wanted, count = model.predict(x), model.count_params()
    torch = pytest.importorskip("torch")
    module = model.to_torch()
    found = module(*map(torch.tensor, x)).detach().numpy()
    assert_close(found, wanted, 1e-6, "torch")
    arrays = [*module.parameters(), *module.buffers()]
    assert sum(array.numel() for array in arrays if array.is_floating_point()) == count


@pytest.mark.filterwarnings("ignore")
def test_keras_has_each_weight_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    pytest.importorskip("keras")
    model, x = in_several_ways()
    theirs = model.to_keras()
    assert theirs.count_params() == model.count_params()
    assert_close(np.asarray(theirs(x)), model.predict(x), 1e-6)


def test_jax_computes_each_call() -> None:
    pytest.importorskip("jax")
    model, x = in_several_ways()
    apply, parameters = model.to_jax()
    assert_close(np.asarray(apply(parameters, x)), model.predict(x), 1e-6)
