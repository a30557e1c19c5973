"""Metrics that Python computes of all rows: best points of curves, overlaps, correlations."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import metrics

Y = np.array([0, 0, 0, 1, 1, 1], float)
P = np.array([0.1, 0.3, 0.8, 0.4, 0.6, 0.9])


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [
        (metrics.SensitivityAtSpecificity(0.6), 1.0),
        (metrics.SensitivityAtSpecificity(0.9), 1 / 3),
        (metrics.SpecificityAtSensitivity(0.9), 2 / 3),
        (metrics.PrecisionAtRecall(0.9), 3 / 4),
        (metrics.PrecisionAtRecall(0.3), 1.0),
        (metrics.RecallAtPrecision(0.75), 1.0),
        (metrics.RecallAtPrecision(0.9), 1 / 3),
        (metrics.FBetaScore(beta=2.0, threshold=0.5), 5 * (2 / 3 * 2 / 3) / (4 * 2 / 3 + 2 / 3)),
        (metrics.BinaryIoU(threshold=0.5), 0.5),
        (metrics.BinaryIoU([1], threshold=0.35), 0.75),
    ],
)
def test_by_hand(metric: Any, wanted: float) -> None:
    assert metric(Y, P) == pytest.approx(wanted, rel=1e-6)
    assert metrics.get(metric.get_config()).get_config() == metric.get_config()
    metric.reset_state()
    assert metric.result() == 0
    metric.update_state(Y[:2], P[:2])
    metric.update_state(Y[2:], P[2:])
    assert metric.result() == pytest.approx(wanted, rel=1e-6)


def test_in_a_model() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    model = dc.Sequential([dc.Input(3), dc.Dense(1)])
    loss = dc.losses.BinaryCrossentropy(from_logits=True)
    chosen = [metrics.PrecisionAtRecall(0.5), metrics.RecallAtPrecision(0.6, name="r")]
    model.compile("adam", loss, metrics=chosen)
    history = model.fit(x, y, epochs=1, verbose=0, validation_data=(x, y)).history
    assert list(history) == ["loss", "precision_at_recall", "r", "val_loss",
                             "val_precision_at_recall", "val_r"]  # fmt: skip
    shares = 1 / (1 + np.exp(-model.predict(x)[:, 0]))
    _, precision, recall = model.evaluate(x, y)
    assert precision == pytest.approx(metrics.PrecisionAtRecall(0.5)(y, shares))
    assert recall == pytest.approx(metrics.RecallAtPrecision(0.6)(y, shares))


def test_overlaps_of_classes() -> None:
    given, said = [0, 0, 1, 1, 2], [0, 1, 1, 1, 2]
    assert metrics.MeanIoU(3)(given, said) == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    assert metrics.IoU(3, [1])(given, said) == pytest.approx(2 / 3)
    assert metrics.MeanIoU(3, ignore_class=1)(given, said) == pytest.approx(1 / 2)
    shares = np.eye(3)[said]
    assert metrics.OneHotMeanIoU(3)(np.eye(3)[given], shares) == pytest.approx(13 / 18)
    assert metrics.OneHotIoU(3, [1])(np.eye(3)[given], shares) == pytest.approx(2 / 3)


def test_correlations_along_rows() -> None:
    rng = np.random.default_rng(0)
    y, a = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    wanted = np.mean([np.corrcoef(*row)[0, 1] for row in zip(y, a, strict=True)])
    assert metrics.PearsonCorrelation()(y, a) == pytest.approx(wanted)
    assert metrics.ConcordanceCorrelation()(y, y) == pytest.approx(1, rel=1e-5)


def test_own_metrics_take_targets_of_any_columns() -> None:
    def loss(y: Any, a: Any) -> Any:
        return dc.ops.mean(dc.ops.square(y[:, :1] - a[:, :1]), axis=-1)

    def share(y: Any, a: Any) -> Any:
        return np.mean(np.abs(y[:, 2] - a[:, 1]))

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 5))
    model = dc.Sequential([dc.Input(3), dc.Dense(2)])
    model.compile("adam", loss, metrics=[share])
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y)).history
    assert set(history) == {"loss", "share", "val_loss", "val_share"}
    found = model.evaluate(x, y)[1]
    assert found == pytest.approx(share(y, model.predict(x)), rel=1e-6)
    model.compile("adam", loss, metrics=["mae"])
    with pytest.raises(ValueError, match="where the loss and all metrics are custom"):
        model.fit(x, y, verbose=0)
