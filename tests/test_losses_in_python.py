"""Losses of all elements and of pairs of rows: Dice, Tversky, Circle."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, losses

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4))
BITS = RNG.integers(0, 2, (12, 3)).astype(float)
SHARES = RNG.uniform(0.05, 0.95, (12, 3))
LABELS = RNG.integers(0, 5, 12)


def circle_by_hand(labels: Any, z: Any, gamma: float, margin: float) -> list[float]:
    """Sun et al., equation 6, row by row."""
    found = []
    for i, one in enumerate(labels):
        others = [j for j in range(len(labels)) if j != i]
        d = {j: max(1 - float(z[i] @ z[j]), 0.0) for j in others}
        p = [-gamma * (margin + d[j]) * (margin - d[j]) for j in others if labels[j] == one]
        n = [
            gamma * max(1 + margin - d[j], 0) * (1 - margin - d[j])
            for j in others
            if labels[j] != one
        ]
        total = np.log(np.exp(p).sum()) + np.log(np.exp(n).sum()) if p and n else None
        found.append(0.0 if total is None else float(np.log1p(np.exp(total))))
    return found


def test_values() -> None:
    both, ones, found = (BITS * SHARES).sum(), BITS.sum(), SHARES.sum()
    assert float(losses.Dice()(BITS, SHARES)) == pytest.approx(1 - 2 * both / (ones + found))
    missed, wrong = (BITS * (1 - SHARES)).sum(), ((1 - BITS) * SHARES).sum()
    wanted = 1 - both / (both + 0.3 * missed + 0.6 * wrong)
    assert float(losses.Tversky(0.3, 0.6)(BITS, SHARES)) == pytest.approx(wanted)
    assert losses.dice(BITS, SHARES, axis=1).shape == (12,)
    z = SHARES / np.linalg.norm(SHARES, axis=1, keepdims=True)
    rows = circle_by_hand(LABELS, z, 3.0, 0.4)
    np.testing.assert_allclose(losses.circle(LABELS, z, gamma=3.0), rows, rtol=1e-6)
    counted = [row for row in rows if row > 0]
    assert float(losses.Circle(gamma=3.0)(LABELS, z)) == pytest.approx(np.mean(counted), rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("dice", BITS), (losses.Dice(axis=1), BITS), (losses.tversky, BITS),
        (losses.Tversky(0.2), BITS), (losses.Circle(gamma=4.0), LABELS), ("Circle", LABELS),
    ],
)  # fmt: skip
def test_models_train_by_the_gradient(loss: Any, y: Any) -> None:
    stack = [dc.Input(4), dc.Dense(3, "sigmoid"), layers.UnitNormalization()]
    model = dc.Sequential(stack, seed=0, dtype="float64")
    model.compile("sgd", loss)
    model.loss_and_gradients(X, y)
    gradient, flat = model.gradients.copy(), model.parameters
    for place in range(flat.size):
        ends = []
        for step in (1e-6, -2e-6):
            flat[place] += step
            ends.append(model.evaluate(X, y))
        flat[place] += 1e-6
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-6)
    before = model.evaluate(X, y)
    model.compile(dc.optimizers.Adam(0.01), loss)
    model.fit(X, y, epochs=20, verbose=0)
    assert model.evaluate(X, y) < before


def test_files_keep_them(tmp_path: Path) -> None:
    model = dc.Sequential([dc.Input(4), dc.Dense(3, "sigmoid")])
    model.compile("sgd", losses.Tversky(0.3, 0.6, name="mine"))
    model.save(tmp_path / "m.keras")
    again = dc.load_model(tmp_path / "m.keras")
    assert again.loss.get_config() == model.loss.get_config()
    assert again.evaluate(X, BITS) == model.evaluate(X, BITS)
    made = losses.deserialize(losses.serialize(losses.Dice(axis=(1,))))
    assert made.get_config() == {"name": "dice", "reduction": "sum_over_batch_size", "axis": (1,)}
    assert isinstance(losses.get("tversky"), losses.Tversky)
    with pytest.raises(ValueError, match="Tversky: alpha"):
        losses.Tversky(alpha=-1.0)
    with pytest.raises(ValueError, match=r"unknown loss 'dise' .*dice"):
        losses.get("dise")
