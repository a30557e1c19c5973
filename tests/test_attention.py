"""Attention between the vectors of rows, against NumPy; masks of steps; shared slopes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 5, 4)).astype(np.float32)
Z = RNG.normal(size=(7, 3, 4)).astype(np.float32)
WORDS = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [4, 4, 1, 0], [2, 0, 3, 1]])


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def by_hand(model: Any, q: Any, v: Any, causal: bool = False) -> Any:
    """Vaswani et al., equation 1, for each head."""
    wq, bq, wk, bk, wv, bv, wo, bo = (each.astype(float) for each in model.get_weights())
    a, b, c = (
        np.einsum("btd,dhk->bhtk", x, w) + bias[None, :, None]
        for x, w, bias in ((q, wq, bq), (v, wk, bk), (v, wv, bv))
    )
    scores = np.einsum("bhtk,bhsk->bhts", a, b) / np.sqrt(wq.shape[-1])
    scores = np.where(np.tri(*scores.shape[2:], dtype=bool), scores, -1e9) if causal else scores
    return np.einsum("bhts,bhsv,hvo->bto", softmax(scores), c, wo) + bo, softmax(scores)


def headed(**options: Any) -> Any:
    q, v = dc.Input((5, 4)), dc.Input((3, 4))
    layer = layers.MultiHeadAttention(2, 3, value_dim=5, output_shape=6, bias_initializer="normal")
    return dc.Model([q, v], layer(q, v, **options), seed=0)


@pytest.mark.parametrize("causal", [False, True])
def test_heads_are_the_paper_s(causal: bool) -> None:
    model = headed(use_causal_mask=causal)
    shapes = [(4, 2, 3), (2, 3), (4, 2, 3), (2, 3), (4, 2, 5), (2, 5), (2, 5, 6), (6,)]
    assert [each.shape for each in model.get_weights()] == shapes
    assert model.count_params() == sum(map(np.prod, shapes))
    wanted, _ = by_hand(model, X, Z, causal)
    np.testing.assert_allclose(model.predict([X, Z]), wanted, atol=1e-5)


def test_shares_are_returned_when_asked() -> None:
    model = headed(return_attention_scores=True)
    for found, wanted in zip(model.predict([X, Z]), by_hand(model, X, Z), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_heads_train_by_the_gradient() -> None:
    """The gradient of each array is the difference of losses."""
    given = dc.Input((5, 4))
    found = layers.Flatten()(layers.MultiHeadAttention(2, 3)(given, given))
    model = dc.Model(given, layers.Dense(1)(found), seed=1, dtype="float64")
    model.compile("sgd", "mse")
    y = RNG.normal(size=(7, 1))
    model.loss_and_gradients(X.astype(float), y)
    gradient, flat = model.gradients.copy(), model.parameters
    for place in RNG.integers(0, flat.size, 25):
        ends = []
        for step in (1e-5, -2e-5):
            flat[place] += step
            ends.append(model.evaluate(X.astype(float), y))
        flat[place] += 1e-5
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-8)


def test_scores_of_one_head() -> None:
    query, value = dc.Input((5, 4)), dc.Input((3, 4))
    kinds = {
        "dot": (layers.Attention(use_scale=True), lambda q, k, w: w[0] * q @ k.swapaxes(1, 2)),
        "concat": (
            layers.Attention(score_mode="concat"),
            lambda q, k, w: w[0] * np.tanh(q[:, :, None] + k[:, None]).sum(-1),
        ),
        "additive": (
            layers.AdditiveAttention(),
            lambda q, k, w: (w[0] * np.tanh(q[:, :, None] + k[:, None])).sum(-1),
        ),
    }
    for layer, scores in kinds.values():
        model = dc.Model([query, value], layer([query, value]))
        wanted = softmax(scores(X.astype(float), Z.astype(float), model.get_weights())) @ Z
        np.testing.assert_allclose(model.predict([X, Z]), wanted, atol=1e-5)


def test_files_and_copies_keep_attention(tmp_path: Path) -> None:
    given = dc.Input((5, 4))
    x = layers.LayerNormalization()(layers.MultiHeadAttention(2, 2, dropout=0.1)(given, given))
    x = layers.AdditiveAttention()([x, given])
    x = layers.PReLU(shared_axes=[1], alpha_initializer="ones", alpha_regularizer="l2")(x)
    model = dc.Model(given, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    model.compile("adam", "mse")
    model.fit(X, np.ones((7, 2)), epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    again = dc.load_model(tmp_path / "m.keras")
    assert (again.predict(X) == model.predict(X)).all()
    copy = dc.models.clone_model(model)
    copy.set_weights(model.get_weights())
    assert (copy.predict(X) == model.predict(X)).all()


def test_attention_says_what_it_does_not_take() -> None:
    given = dc.Input((5, 4))
    with pytest.raises(ValueError, match="attention_mask: found ndarray, wanted None"):
        layers.MultiHeadAttention(2, 2)(given, given, attention_mask=np.ones((5, 5)))
    with pytest.raises(ValueError, match="sliding_window: found 3, wanted the default"):
        layers.MultiHeadAttention(2, 2, sliding_window=3)
    with pytest.raises(ValueError, match=r"wanted a list \[query, value\]"):
        layers.Attention()(given)
    with pytest.raises(TypeError, match="value: found None"):
        layers.MultiHeadAttention(2, 2)(given)


@pytest.mark.parametrize("where", ["onnx", "h", "to_torch", "to_keras"])
def test_exporters_refuse_attention_by_name(where: str, tmp_path: Path) -> None:
    pytest.importorskip({"to_torch": "torch", "to_keras": "keras"}.get(where, "numpy"))
    model = headed()
    with pytest.raises(ValueError, match="found HeadsProjection, wanted one of"):
        getattr(model, where)() if where.startswith("to_") else model.export(
            tmp_path / f"m.{where}"
        )
    assert not list(tmp_path.iterdir())


# Masks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [[], [layers.Dense(3, "tanh"), layers.Dropout(0.1)]])
def test_means_leave_out_what_a_mask_does(between: Any) -> None:
    stack = [dc.Input((4,)), layers.Embedding(5, 3, mask_zero=True), *between]
    steps = dc.Sequential(stack, seed=0)
    model = dc.Sequential([*stack, layers.GlobalAveragePooling1D()], seed=0)
    vectors = steps.predict(WORDS)
    wanted = [each[row > 0].mean(axis=0) for each, row in zip(vectors, WORDS, strict=True)]
    np.testing.assert_allclose(model.predict(WORDS), wanted, rtol=1e-5)
    model.compile("sgd", "mse")
    table = model.get_weights()[0]
    model.fit(WORDS, np.ones((4, 3)), verbose=0)
    assert (model.get_weights()[0][0] == table[0]).all()  # what counts nowhere is not trained


def test_masked_steps_are_zeros() -> None:
    x = X.copy()
    x[:, 3:] = 0.5
    masked = dc.Sequential([dc.Input((5, 4)), layers.Masking(0.5)])
    assert (masked.predict(x)[:, 3:] == 0).all()
    mean = dc.Sequential([dc.Input((5, 4)), layers.Masking(0.5), layers.GlobalAveragePooling1D()])
    np.testing.assert_allclose(mean.predict(x), x[:, :3].mean(axis=1), rtol=1e-5)
    flat = dc.Sequential([dc.Input((4,)), layers.Embedding(5, 2, mask_zero=True), layers.Flatten()])
    assert flat.predict(WORDS).shape == (4, 8)


def test_a_mask_is_not_forgotten_in_silence(tmp_path: Path) -> None:
    embedding = layers.Embedding(5, 3, mask_zero=True)
    with pytest.raises(ValueError, match="found an input with steps that a mask leaves out"):
        dc.Sequential([dc.Input((4,)), embedding, layers.BatchNormalization()]).build()
    words = dc.Input((4,))
    x = embedding(words)
    for attention in (layers.MultiHeadAttention(1, 2)(x, x), layers.Attention()([x, x])):
        with pytest.raises(ValueError, match="found an input with steps that a mask leaves out"):
            dc.Model(words, attention).predict(WORDS)
    model = dc.Sequential([dc.Input((4,)), embedding, layers.GlobalAveragePooling1D()])
    with pytest.raises(ValueError, match="mask_zero: found True"):
        model.export(tmp_path / "m.onnx")
    model.save(tmp_path / "m.keras")
    assert (dc.load_model(tmp_path / "m.keras").predict(WORDS) == model.predict(WORDS)).all()


# Slopes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("axes", "shape"), [([1], (1, 4)), ([1, 2], (1, 1)), (2, (5, 1))])
def test_slopes_are_shared_along_axes(axes: Any, shape: tuple[int, ...]) -> None:
    layer = layers.PReLU("normal", shared_axes=axes)
    model = dc.Sequential([dc.Input((5, 4)), layer], seed=0)
    (alpha,) = model.get_weights()
    assert alpha.shape == shape
    np.testing.assert_allclose(model.predict(X), np.where(X > 0, X, alpha * X), rtol=1e-5)
    with pytest.raises(ValueError, match="shared_axes: found 3"):
        dc.Sequential([dc.Input((5, 4)), layers.PReLU(shared_axes=[3])]).build()


# Functions alone --------------------------------------------------------------------------------


def test_sparsemax_is_the_nearest_point_of_the_simplex() -> None:
    """Martins and Astudillo, 2016: p = max(x - t, 0), with the t that makes the sum 1."""
    x = RNG.normal(size=(50, 6)) * 2
    p = dc.activations.sparsemax(x)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    for row, found in zip(x, p, strict=True):
        t = (row - found)[found > 0]
        np.testing.assert_allclose(t, t[0])
        assert (row[found == 0] <= t[0] + 1e-12).all()
    model = dc.Sequential([dc.Input(4), dc.Dense(3, "sparsemax")], seed=0, dtype="float64")
    model.compile("sgd", "mse")
    x, y = RNG.normal(size=(9, 4)), np.zeros((9, 3))
    model.loss_and_gradients(x, y)
    gradient, flat = model.gradients.copy(), model.parameters
    for place in range(flat.size):
        flat[place] += 1e-6
        above = model.evaluate(x, y)
        flat[place] -= 2e-6
        slope = (above - model.evaluate(x, y)) / 2e-6
        flat[place] += 1e-6
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_gates_have_half_of_the_units() -> None:
    x = RNG.normal(size=(5, 6))
    wanted = x[:, :3] / (1 + np.exp(-x[:, 3:]))
    np.testing.assert_allclose(dc.activations.glu(x), wanted)
    given = dc.Input(6)
    model = dc.Model(given, dc.activations.glu(given))
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5)
    with pytest.raises(ValueError, match="wanted an even size"):
        dc.activations.glu(x[:, :5])
