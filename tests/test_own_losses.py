"""Custom losses and metrics, as people write them: without a gradient."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, losses, metrics, ops
from densecore._autodiff.derive import derive

K = dc.backend

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = X[:, :1] * 2
C = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
P = RNG.uniform(0.2, 0.9, (5, 3))
T = RNG.uniform(0.1, 0.8, (5, 3))
W = RNG.normal(size=(3, 3))


def looped(p: Any) -> Any:
    total = p * 0
    for power in range(3):
        total += p * T**power
    return total


# Functions of p (5, 3); each uses others of the functions that are derived.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "mse": lambda p: ops.mean(ops.square(T - p), axis=-1),
    "quantile": lambda p: ops.mean(ops.maximum(0.9 * (T - p), -0.1 * (T - p))),
    "binary": lambda p: ops.binary_crossentropy(T, p),
    "binary logits": lambda p: ops.binary_crossentropy(T, p, from_logits=True),
    "categorical": lambda p: ops.categorical_crossentropy(T, p),
    "sparse": lambda p: ops.sparse_categorical_crossentropy(np.array([0, 1, 2, 1, 0]), p),
    "sparse logits": lambda p: ops.sparse_categorical_crossentropy(C[:5, None], p, True),
    "numpy": lambda p: np.mean((T - p) ** 2, axis=1) + np.log(p).sum(axis=1),
    "powers": lambda p: p**T + T**p + 2**p,
    "quotients": lambda p: T / p + p / T + 1 / p,
    "where": lambda p: ops.where(p > 0.5, p * p, -p),
    "parts": lambda p: p[:, 0] * p[:, 1:].sum(axis=1) - p[..., -1],
    "products": lambda p: (p @ W) * T + (p @ W[0])[:, None] + np.dot(T, W) * p,
    "transposed": lambda p: p.T @ T + np.dot(T.T, p),
    "moments": lambda p: ops.std(p, axis=0) + np.var(p) + np.average(p, axis=0, weights=T),
    "prod": lambda p: np.prod(p, axis=1),
    "extremes": lambda p: p.max(axis=1) + np.min(p, axis=1) + np.minimum(p, T).sum(axis=1),
    "norms": lambda p: ops.norm(p, axis=-1) + ops.norm(p, 1, axis=-1) + ops.norm(p, 3, axis=-1),
    "normalize": lambda p: ops.normalize(p) * T,
    "softmax": lambda p: ops.softmax(p) * T + ops.log_softmax(p) + ops.logsumexp(p),
    "series": lambda p: np.cumsum(p, axis=0)[1:] * np.diff(p, axis=0),
    "joined": lambda p: np.concatenate([p, p * T], axis=1) ** 2,
    "stacked": lambda p: ops.stack([p, T], axis=1) ** 2 + np.vstack([p, T]).sum(),
    "einsum": lambda p: np.einsum("ij,kj->ik", p, W) ** 2 + np.einsum("ij->", p * p),
    "einsum rows": lambda p: np.einsum("ij,ij->i", p, T),
    "tensordot": lambda p: np.tensordot(p, W, axes=1) ** 2,
    "sorted": lambda p: ops.sort(p, axis=1) * T + np.median(p, axis=1)[:, None],
    "taken": lambda p: np.take(p, [0, 2, 0], axis=1) * T + np.take_along_axis(p, C[:5, None], 1),
    "moved": lambda p: np.flip(p, 1) * T + np.roll(p, 1, axis=0) + np.repeat(p[:, :1], 3, axis=1),
    "tiled": lambda p: np.tile(p, (1, 2)) + np.broadcast_to(p[:1, :1], (5, 6)),
    "shapes": lambda p: p.reshape(3, 5) * p.transpose() + ops.expand_dims(p, 0).squeeze(0).T,
    "transcendental": lambda p: np.exp(p) + np.tanh(p) + np.sin(p) * np.cos(p) + np.arctan(p),
    "logarithms": lambda p: np.log1p(p) + np.log2(p) + np.log10(p) + np.sqrt(p) + np.expm1(p),
    "hyperbolic": lambda p: np.sinh(p) + np.cosh(p) + np.arcsinh(p) + np.arctanh(p) + np.tan(p),
    "two": lambda p: np.logaddexp(p, T) + np.hypot(p, T) + np.arctan2(p, T) + np.mod(p, 0.3),
    "clip": lambda p: np.clip(p, 0.3, 0.6) + p.clip(0.25) + ops.clip(p, T, 1.0),
    "units": lambda p: ops.gelu(p) + ops.gelu(p, False) + ops.selu(p) + ops.silu(p) + ops.erf(p),
    "more units": lambda p: ops.softplus(p) + ops.log_sigmoid(p) + ops.relu(p - 0.5) + ops.elu(-p),
    "in place": looped,
    "largest": lambda p: ops.top_k(p, 2)[0] + sum(ops.unstack(p, axis=1))[:, None] ** 2,
    "outer": lambda p: np.outer(p[:, 0], T[:, 0]) + np.split(p, 3, axis=1)[1] ** 2,
    "python": lambda p: sum(p[row].sum() for row in range(5)) + abs(p) - (-p),
    "losses": lambda p: losses.mse(T, p) + losses.huber(T, p) + losses.BinaryCrossentropy()(T, p),
    "backend": lambda p: (
        K.mean(K.square(p - T), axis=-1) + K.log(K.clip(p, K.epsilon(), 1.0))[:, 0]
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    function = FUNCTIONS[name]
    value, back = derive(function, P)
    np.testing.assert_allclose(value, function(P), rtol=1e-12)
    seed = RNG.normal(size=value.shape)
    found = back(seed)
    assert found.shape == P.shape
    step = 1e-6
    for place in itertools.product(range(5), range(3)):
        above, below = P.copy(), P.copy()
        above[place] += step
        below[place] -= step
        slope = ((np.asarray(function(above)) - np.asarray(function(below))) * seed).sum()
        assert found[place] == pytest.approx(slope / (2 * step), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("penalty", [None, 0.3])
def test_loss_and_gradients_without_an_update(penalty: float | None) -> None:
    """As those of the same loss in the core, with penalties."""

    def make(loss: Any) -> Any:
        dense = dc.Dense(
            2, kernel_regularizer=None if penalty is None else dc.regularizers.L2(penalty)
        )
        model = dc.Sequential([dc.Input(4), dense], dtype="float64", seed=0)
        model.compile("sgd", loss)
        return model

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4)), rng.normal(size=(12, 2))
    own, core = make(lambda t, a: abs(t - a)), make("mae")
    for weight in (None, np.linspace(0.1, 1, 12)):
        found = own.loss_and_gradients(x, y, weight)
        assert found == pytest.approx(core.loss_and_gradients(x, y, weight), rel=1e-12)
        np.testing.assert_allclose(own.gradients, core.gradients, rtol=1e-10)
    assert own.progress["steps"] == 0
    for product in (own.hessian_vector_product, own.gauss_newton_vector_product):
        with pytest.raises(TypeError, match="loss: found a Python function"):
            product(x, y, np.ones(own.parameters.shape))


def test_gradients_are_those_of_jax() -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    def loss(np: Any, t: Any, p: Any) -> Any:
        e = np.abs(t - p)
        small = np.where(e < 0.2, 0.5 * e**2, 0.2 * (e - 0.1))
        return np.mean(small, axis=-1) + np.log(np.sum(np.exp(p), axis=-1)) * np.max(p, axis=-1)

    value, back = derive(lambda p: loss(np, T, p), P)
    theirs, pull = jax.vjp(lambda p: loss(jnp, T, p), jnp.asarray(P))
    np.testing.assert_allclose(value, theirs, rtol=1e-5)
    np.testing.assert_allclose(back(np.ones(5)), pull(jnp.ones(5))[0], rtol=1e-4, atol=1e-6)


def test_what_is_not_derived_is_said() -> None:
    def wanted(p: Any) -> Any:
        return np.fft.fft(p)

    with pytest.raises(TypeError, match=r"found numpy.fft\w*.fft, whose derivative densecore does"):
        derive(wanted, P)
    with pytest.raises(TypeError, match="its gradient would be lost"):
        derive(lambda p: float(p[0, 0]), P)
    with pytest.raises(TypeError, match=r"wanted numpy.where\(condition, value, array\)"):
        derive(lambda p: p.__setitem__(0, 1.0), P)
    with pytest.raises(TypeError, match="found None returned"):
        derive(lambda p: None, P)
    for steps in (lambda p: ops.stop_gradient(p) * 2, lambda p: np.sign(p) + (p > 0.5)):
        with pytest.raises(TypeError, match="found a result that does not depend on the outputs"):
            derive(steps, P)
    back = derive(lambda p: p + np.sign(p) * (p > 0.5) * ops.stop_gradient(p), P)[1]
    assert (back(np.ones((5, 3))) == 1).all()


# In training -------------------------------------------------------------------------------------


def fitted(loss: Any, y: Any = Y, units: int = 1, activation: Any = None, **options: Any) -> Any:
    model = dc.Sequential([dc.Input(3), dc.Dense(4, "tanh"), dc.Dense(units, activation)], seed=0)
    compiling = {key: options.pop(key) for key in ("metrics", "dtype") if key in options}
    model.compile("adam", loss, **compiling)
    options = {"epochs": 2, "verbose": 0, **options}
    history = model.fit(X, y, **options)
    return model, history.history


@pytest.mark.parametrize(
    ("own", "known", "y", "units", "activation"),
    [
        (lambda t, p: ops.mean(ops.square(t - p), axis=-1), "mse", Y, 1, None),
        (lambda t, p: np.mean(np.abs(t - p), axis=1), "mae", Y, 1, None),
        (lambda t, p: K.mean(K.binary_crossentropy(t, p), axis=-1), "binary_crossentropy",
         (Y > 0) * 1, 1, "sigmoid"),
        (lambda t, p: K.categorical_crossentropy(t, p), "categorical_crossentropy", np.eye(3)[C], 3,
         "softmax"),
        (lambda t, p: K.sparse_categorical_crossentropy(t, p), "sparse_categorical_crossentropy",
         C, 3, "softmax"),
        (lambda t, p: losses.log_cosh(t, p), "log_cosh", Y, 1, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("weights", [None, RNG.uniform(0.1, 2, 60)])
def test_a_function_trains_as_the_core_s_loss(
    own: Any, known: str, y: Any, units: int, activation: str, weights: Any
) -> None:
    options = {"validation_split": 0.2, "sample_weight": weights, "metrics": ["accuracy"]}
    model, history = fitted(own, y, units, activation, **options)
    other, expected = fitted(known, y, units, activation, **options)
    for name in expected:
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-5)
    np.testing.assert_allclose(model.parameters, other.parameters, rtol=1e-3, atol=1e-5)
    found = model.evaluate(X, y, sample_weight=weights)
    np.testing.assert_allclose(found, other.evaluate(X, y, sample_weight=weights), rtol=1e-4)


class Weighted(losses.Loss):
    def __init__(self, factor: float = 1.0, name: str = "weighted", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.factor = factor

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.factor * ops.mean(ops.square(y_true - y_pred), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def squared(y_true: Any, y_pred: Any) -> Any:
    return ops.mean((y_true - y_pred) ** 2, axis=-1)


def test_a_class_of_losses() -> None:
    _, expected = fitted("mse", class_weight={0: 1.0, 1: 3.0})
    _, found = fitted(Weighted(2.0), class_weight={0: 1.0, 1: 3.0})
    np.testing.assert_allclose(found["loss"][0], 2 * expected["loss"][0], rtol=1e-3)
    assert Weighted()([[1.0]], [[3.0]]) == 4
    assert Weighted(reduction="sum")([[1.0], [1.0]], [[3.0], [2.0]]) == 5
    assert Weighted().name == "weighted"
    _, summed = fitted(Weighted(reduction="sum"), batch_size=60)
    assert summed["loss"][0] == pytest.approx(60 * fitted("mse", batch_size=60)[1]["loss"][0])
    fitted(Weighted)
    with pytest.raises(ValueError, match="found reduction='none'"):
        fitted(Weighted(reduction="none"))

    class Penalised(losses.MeanSquaredError):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return super().call(y_true, y_pred) + 0.1 * ops.mean(ops.abs(y_pred), axis=-1)

    fitted(Penalised())


def test_targets_of_other_columns() -> None:
    def pinball(y_true: Any, y_pred: Any) -> Any:
        error = y_true[:, :1] - y_pred
        return ops.maximum(0.9 * error, -0.1 * error)[:, 0] * y_true[:, 1]

    packed = np.hstack([Y, np.ones_like(Y)])
    _, history = fitted(pinball, packed, validation_split=0.2)
    assert history["val_loss"][-1] < history["val_loss"][0]
    with pytest.raises(ValueError, match="metrics compare targets with outputs"):
        fitted(pinball, packed, metrics=["mae"])


def test_a_gradient_that_is_given_is_used_as_before() -> None:
    calls = []

    def loss(y_true: Any, y_pred: Any) -> Any:
        calls.append(1)
        e = y_pred - y_true
        return np.mean(e * e), 2 * e / e.size

    model, history = fitted(loss, batch_size=30)
    assert len(calls) == 4
    _, expected = fitted("mse", batch_size=30)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6)
    with pytest.raises(ValueError, match="gives its gradient itself"):
        model.fit(X, Y, sample_weight=np.ones(60), verbose=0)


@pytest.mark.parametrize(
    ("loss", "error", "text"),
    [
        (lambda t, p: None, TypeError, "found None returned"),
        (lambda t, p: ops.mean(t - p, axis=0)[:0], ValueError, r"found shape \(0,\) returned"),
        (lambda t, p: (1, 2, 3), TypeError, "found a tuple of 3"),
        (lambda t, p: np.linalg.svd(t - p)[1], TypeError, "linalg.svd, whose derivative"),
        (lambda t, p: "0", TypeError, "found str returned"),
    ],
)
def test_wrong_losses_say_so(loss: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        fitted(loss)


def test_losses_of_other_libraries() -> None:
    jax = pytest.importorskip("jax")
    _, expected = fitted("mse")
    _, found = fitted(lambda t, p: jax.numpy.mean((t - p) ** 2, axis=-1))
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-4)
    torch = pytest.importorskip("torch")
    _, found = fitted(lambda t, p: torch.mean((t - p) ** 2))
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-4)


# Metrics -----------------------------------------------------------------------------------------


class Share(metrics.Metric):
    def __init__(self, threshold: float = 0.0, name: str = "share", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.threshold = threshold
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.rows = self.add_weight("rows", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        same = ops.equal(y_pred > self.threshold, y_true > self.threshold)
        self.hits.assign_add(ops.sum(ops.cast(same, "float32")))
        self.rows.assign_add(ops.cast(ops.size(y_true), "float32"))

    def result(self) -> Any:
        return self.hits / self.rows

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "threshold": self.threshold}


def test_a_class_of_metrics() -> None:
    model, history = fitted("mse", metrics=[Share(), "mae"], validation_split=0.2)
    found = model.predict(X)
    share = np.mean((found > 0) == (Y > 0))
    assert model.evaluate(X, Y, return_dict=True)["share"] == pytest.approx(share)
    assert 0 <= history["val_share"][-1] <= 1
    alone = Share()
    alone.update_state(np.array([1.0, -1.0]), np.array([2.0, 2.0]))
    assert float(alone.result()) == 0.5
    alone.reset_state()
    assert float(alone.hits) == 0
    assert [variable.name for variable in alone.variables] == ["hits", "rows"]

    class Of(metrics.Metric):
        def __init__(self, **options: Any) -> None:
            super().__init__(name="of", **options)
            self.precision = metrics.Precision()

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.precision.update_state(y_true, y_pred, sample_weight)

        def result(self) -> Any:
            return self.precision.result()

        def reset_state(self) -> None:
            self.precision.reset_state()

    yes = (Y > 0).astype(int)
    options = {"metrics": [Of(), "precision"], "activation": "sigmoid"}
    _, history = fitted("binary_crossentropy", yes, **options)
    assert history["of"] == history["precision"]

    class Ours(metrics.Mean):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
            super().update_state(ops.abs(y_true - y_pred))

    _, history = fitted("mse", metrics=[Ours(name="ours"), "mae"])
    np.testing.assert_allclose(history["ours"], history["mae"], rtol=1e-5)


def test_a_function_as_a_metric() -> None:
    def r2(y_true: Any, y_pred: Any) -> Any:
        left = K.sum(K.square(y_true - y_pred))
        return 1 - left / (K.sum(K.square(y_true - K.mean(y_true))) + K.epsilon())

    model, _ = fitted("mse", metrics=[r2])
    found = model.evaluate(X, Y, return_dict=True)["r2"]
    expected = 1 - ((Y - model.predict(X)) ** 2).sum() / ((Y - Y.mean()) ** 2).sum()
    assert found == pytest.approx(expected, rel=1e-5)


# Files -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:metric")
def test_models_with_own_losses_are_saved(tmp_path: Path) -> None:
    for loss, name, thing in ((squared, "squared", squared), (Weighted(2.0), "Weighted", Weighted)):
        model, _ = fitted(loss)
        model.save(tmp_path / "m")
        loaded = dc.load_model(tmp_path / "m", custom_objects={name: thing})
        assert loaded.evaluate(X, Y) == model.evaluate(X, Y)
        loaded.fit(X, Y, verbose=0)
        model.fit(X, Y, verbose=0)
        assert (loaded.parameters == model.parameters).all()
        with pytest.warns(UserWarning, match=f"the loss '{name}' is not known here"):
            plain = dc.load_model(tmp_path / "m")
        assert plain.loss is None
        assert (plain.predict(X).shape, plain.optimizer) == ((60, 1), None)
        assert dc.load_model(tmp_path / "m", compile=False).loss is None
        with dc.saving.custom_object_scope({name: thing}):
            assert dc.load_model(tmp_path / "m").loss is not None


def test_registered_classes_need_no_custom_objects(tmp_path: Path) -> None:
    with dc.saving.custom_object_scope({}):
        dc.saving.register_keras_serializable(package="mine")(Weighted)
        dc.saving.register_keras_serializable("mine")(squared)
        dc.saving.register_keras_serializable("mine")(Share)
        model, _ = fitted(Weighted(3.0), metrics=[squared, Share(0.5)])
        model.save(tmp_path / "m")
        loaded = dc.load_model(tmp_path / "m")
        assert loaded.evaluate(X, Y) == model.evaluate(X, Y)
        assert loaded.metrics_names == ["loss", "squared", "share"]
        model.compile("sgd", "squared")
        model.fit(X, Y, verbose=0)


def test_a_model_of_another_one_s_layers_learns_by_a_loss_of_one_s_own() -> None:
    """Its weights are copies, which were taken anew before they had been given back."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.square(y_true - y_pred))

    x = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
    found = []
    for chosen in (loss, "mse"):
        a, b, inner = dc.Input(3), dc.Input(3), dc.Input(3)
        tower = dc.Model(inner, layers.Dense(2, "tanh")(inner), seed=0)
        model = dc.Model([a, b], layers.Dot(1)([tower(a), tower(b)]), seed=0)
        model.compile("sgd", chosen, metrics=["mae"])
        history = model.fit([x, x[::-1]], x[:, :1], epochs=3, verbose=0, shuffle=False)
        found.append(history.history["loss"])
    assert found[0][2] < found[0][0]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
