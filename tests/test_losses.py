"""`densecore.losses`: numbers and rows in Keras's form, options, and what a network trains with."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import LOSSES, OF_POSITIVE, loss_of, network_of, targets_of
from densecore import losses, reference

ROWS, COLUMNS = 7, 6


def problem(name: str, options: dict[str, Any]) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Targets, predictions, weights, and the reference's keywords."""
    rng = np.random.default_rng(2)
    parameters, keywords = loss_of(name, options)
    y = targets_of(rng, name, ROWS, COLUMNS, parameters)
    a = (
        rng.uniform(0.1, 0.9, (ROWS, COLUMNS))
        if name in OF_POSITIVE
        else rng.normal(size=(ROWS, COLUMNS))
    )
    return y, a, rng.uniform(0, 2, ROWS), keywords


@pytest.mark.parametrize(("name", "options"), LOSSES)
def test_functions_give_rows_and_classes_a_number(name: str, options: dict[str, Any]) -> None:
    y, a, weight, keywords = problem(name, options)
    expected = reference.LOSSES[name].value(a, y, **keywords)
    rows = getattr(losses, name)(y, a, **options)
    np.testing.assert_allclose(rows, expected, rtol=1e-12)
    loss = losses.get({"name": name, **options})
    assert loss(y, a) == pytest.approx(float(expected.mean()), rel=1e-12)
    total = float((weight * expected).sum())
    reduced = {
        "sum_over_batch_size": total / ROWS,
        "mean": total / ROWS,
        "mean_with_sample_weight": total / weight.sum(),
        "sum": total,
    }
    for reduction in (*reduced, "sum_over_outputs"):
        same = losses.get({**loss.get_config(), "reduction": reduction})
        if reduction in reduced:
            assert same(y, a, weight) == pytest.approx(reduced[reduction], rel=1e-12)
        # The number that a network reports for these outputs in one batch.
        model = dc.Sequential([dc.Input(COLUMNS), dc.Dense(COLUMNS)], dtype="float64")
        model.set_weights([np.eye(COLUMNS), np.zeros(COLUMNS)])
        model.compile("sgd", same)
        found = model.evaluate(a, y, ROWS, sample_weight=weight, verbose=0)
        assert same(y, a, weight) == pytest.approx(float(np.ravel(found)[0]), rel=1e-12)


@pytest.mark.parametrize("name", [name for name, _ in LOSSES if reference.LOSSES[name].link])
def test_logits(name: str) -> None:
    y, _, _, _ = problem(name, {})
    z = np.random.default_rng(3).normal(size=(ROWS, COLUMNS)) * 3
    a = reference.activation(str(reference.LOSSES[name].link), z)
    logits = losses.get({"name": name, "from_logits": True})
    assert logits(y, z) == pytest.approx(losses.get(name)(y, a), rel=1e-10)
    np.testing.assert_allclose(getattr(losses, name)(y, z, from_logits=True).mean(), logits(y, z))
    model = dc.Sequential([dc.Input(3), dc.Dense(COLUMNS, "softmax")])
    with warnings.catch_warnings():  # given where it is softmax twice
        warnings.simplefilter("ignore")
        model.compile("sgd", logits)  # applies its own besides, as in Keras
    x = np.random.default_rng(4).normal(size=(ROWS, 3)).astype(np.float32)
    assert model.evaluate(x, y) == pytest.approx(logits(y, model.predict(x)), rel=1e-5)


def test_numbers_by_hand() -> None:
    assert losses.mse([[0.0, 1], [0, 0]], [[1.0, 1], [1, 0]]).tolist() == [0.5, 0.5]
    assert losses.MeanAbsoluteError()([[0.0, 1], [0, 0]], [[1.0, 1], [1, 0]]) == 0.5
    assert losses.Huber(1.0)([[0.0]], [[3.0]]) == 2.5
    assert losses.hinge([[0.0, 1]], [[0.5, 0.25]]).tolist() == [1.125]
    assert losses.CosineSimilarity()([[3.0, 4]], [[6.0, 8]]) == pytest.approx(-1)
    assert losses.CategoricalHinge()([[0.0, 1]], [[0.6, 0.4]]) == pytest.approx(1.2)
    quantile = losses.Quantile([0.25, 0.75])
    assert quantile([[1.0]], [[0.0, 3.0]]) == pytest.approx((0.25 * 1 + 0.25 * 2) / 2)
    assert losses.gaussian_nll([[1.0]], [[3.0, 0.0]]).tolist() == [2.0]
    # One dimension is one row, more are rows of their last axis, float32 stays float32.
    assert losses.mse([0.0, 1], [1.0, 1]).shape == ()
    assert losses.mse(np.zeros((2, 3, 4)), np.ones((2, 3, 4))).shape == (2, 3)
    single = losses.MeanSquaredError()(np.zeros((1, 1)), np.float32([[0.1]]))
    assert single == float(np.float32(0.1) * np.float32(0.1))


@pytest.mark.parametrize(("name", "options"), LOSSES)
def test_configurations_come_back(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    loss = losses.get({"name": name, **options})
    config = json.loads(json.dumps(loss.get_config()))
    again = losses.get(config)
    assert type(again) is type(loss)
    assert again.get_config() == config
    assert repr(again) == repr(loss)
    assert losses.get(type(loss).__name__).name == name
    y, a, _, _ = problem(name, options)
    assert again(y, a) == loss(y, a)
    model = dc.Sequential([dc.Input(COLUMNS), dc.Dense(COLUMNS, "softplus")], seed=1)
    model.compile("sgd", loss)
    model.save(tmp_path / "m")
    loaded = dc.load_model(tmp_path / "m")
    assert loaded.loss is not None
    assert loaded.loss.get_config() == config
    y = y if y.ndim == 1 else y.astype("float32")
    x = a.astype("float32")
    assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)


def test_aliases_are_keras_s() -> None:
    names = {
        "mse": "mean_squared_error",
        "MAE": "mean_absolute_error",
        "msle": "mean_squared_logarithmic_error",
        "MAPE": "mean_absolute_percentage_error",
        "bce": "binary_crossentropy",
        "KLD": "kl_divergence",
    }
    for alias, name in names.items():
        assert losses.get(alias).name == name
        assert getattr(losses, alias) is getattr(losses, name)
        assert losses.get(getattr(losses, alias)).name == name
    assert losses.get("logcosh").name == "log_cosh"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: losses.get("hunge"), ValueError, "unknown loss 'hunge' .*did you mean 'hinge'"),
        (lambda: losses.Huber(0), ValueError, "huber: delta: found 0, wanted a finite number > 0"),
        (lambda: losses.Huber("a"), TypeError, "huber: delta: found 'a', wanted a finite number"),
        (lambda: losses.Quantile([]), ValueError, "quantiles: found none"),
        (
            lambda: losses.Quantile([0.5, 1.0]),
            ValueError,
            "quantiles: found 1.0, wanted .* and < 1",
        ),
        (lambda: losses.Quantile(0.5), TypeError, "quantiles: found 0.5, wanted numbers"),
        (lambda: losses.BinaryCrossentropy("sum"), TypeError, "from_logits: found 'sum', wanted"),
        (
            lambda: losses.BinaryCrossentropy(label_smoothing=1),
            ValueError,
            "label_smoothing: found 1, wanted a finite number >= 0 and < 1",
        ),
        (lambda: losses.mse(np.zeros((2, 3)), np.zeros((2, 4))), ValueError, r"y_true: found sh"),
        (lambda: losses.mse([["a"]], [[1.0]]), TypeError, "y_true: found dtype"),
        (lambda: losses.gaussian_nll([[1.0]], [[1.0, 2, 3]]), ValueError, "found 3 columns"),
        (
            lambda: losses.sparse_categorical_crossentropy([2], [[0.5, 0.5]]),
            ValueError,
            "found class 2 in row 0, wanted class numbers 0 to 1",
        ),
        (
            lambda: losses.sparse_categorical_crossentropy([0.5], [[0.5, 0.5]]),
            ValueError,
            "found class 0.5 in row 0, wanted class numbers",
        ),
        (
            lambda: losses.MeanSquaredError()([[1.0]], [[1.0]], [1, 2]),
            ValueError,
            "sample_weight: found shape",
        ),
    ],
)
def test_errors(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_outputs_that_are_not_one_per_target() -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(6)], dtype="float64")
    x, y = np.zeros((4, 2)), np.zeros((4, 6))
    with pytest.raises(ValueError, match="loss 'quantile': found 6 outputs, wanted 4 for each"):
        model.compile("sgd", losses.Quantile([0.1, 0.2, 0.3, 0.4]))
    with pytest.raises(ValueError, match="metrics: found 1, wanted none"):
        model.compile("sgd", losses.Quantile([0.1, 0.5, 0.9]), ["mae"])
    model.compile("sgd", losses.Quantile([0.1, 0.5, 0.9]))
    with pytest.raises(ValueError, match=r"y: found .*\(4, 6\), wanted .*2\)"):
        model.train_on_batch(x, y)
    model.train_on_batch(x, y[:, :2].copy())
    with pytest.raises(ValueError, match="has no form for logits"):
        network_of("float64", 2, [(3, "linear", True)]).compile(
            "hinge", "sum", dc.optimizers.SGD()._settings, [], 0, True
        )


def test_quantiles_and_variances_are_learnt() -> None:
    """What a constant model learns of numbers are their quantiles, and their mean and variance."""
    rng = np.random.default_rng(0)
    y = rng.normal(3, 2, (400, 1))
    x = np.zeros((400, 1))
    model = dc.Sequential([dc.Input(1), dc.Dense(3)], dtype="float64", seed=0)
    model.compile(dc.optimizers.SGD(0.5), losses.Quantile([0.1, 0.5, 0.9]))
    model.fit(x, y, batch_size=400, epochs=600, verbose=0)
    np.testing.assert_allclose(model.predict(x[:1])[0], np.quantile(y, [0.1, 0.5, 0.9]), atol=0.15)
    model = dc.Sequential([dc.Input(1), dc.Dense(2)], dtype="float64", seed=0)
    model.compile(dc.optimizers.SGD(0.2), losses.GaussianNLL())
    model.fit(x, y, batch_size=400, epochs=600, verbose=0)
    np.testing.assert_allclose(model.predict(x[:1])[0], [y.mean(), np.log(y.var())], atol=1e-3)
