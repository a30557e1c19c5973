"""Subclasses of the layers of random numbers with a `call` of their own: Monte Carlo dropout."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers


class MCDropout(layers.Dropout):
    def call(self, inputs: Any, training: Any = None) -> Any:
        return super().call(inputs, training=True)


class MCAlpha(layers.AlphaDropout):
    def call(self, inputs: Any) -> Any:
        return super().call(inputs, training=True)


class MCNoise(layers.GaussianNoise):
    def call(self, inputs: Any) -> Any:
        return super().call(inputs, training=True)


class Twice(layers.ReLU):
    def call(self, inputs: Any) -> Any:
        return 2 * super().call(inputs)


def test_units_drop_out_in_predictions() -> None:
    dc.utils.set_random_seed(0)
    model = dc.Sequential([dc.Input(1000), MCDropout(0.25)])
    found = np.array([model.predict(np.ones((4, 1000))) for _ in range(3)])
    assert set(np.unique(found)) == {0.0, np.float32(1 / 0.75)}
    assert (found == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert (found[0] != found[1]).any()
    assert model.layers[0].rate == 0.25


@pytest.mark.parametrize(("kind", "given"), [(MCAlpha, 0.2), (MCNoise, 0.5), (MCDropout, 0.3)])
def test_it_trains_and_is_saved(kind: Any, given: float, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    model = dc.Sequential([dc.Input(3), dc.Dense(8, "selu"), kind(given), dc.Dense(1)])
    model.compile(dc.optimizers.Adam(0.03), "mse")
    history = model.fit(x, x[:, :1], epochs=30, verbose=0).history["loss"]
    assert np.mean(history[-5:]) < history[0]
    assert (model.predict(x) != model.predict(x)).any()
    model.save(tmp_path / "m.keras")
    again = dc.load_model(tmp_path / "m.keras", custom_objects={kind.__name__: kind})
    assert given in again.layers[1].get_config().values()


def test_the_mean_of_noise_is_kept() -> None:
    dc.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(2000, 8))
    for kind in (MCNoise(0.5), MCAlpha(0.2)):
        assert dc.Sequential([dc.Input(8), kind]).predict(x).mean() == pytest.approx(0, abs=0.05)


def test_the_gradient_goes_through_the_same_mask() -> None:
    model = dc.Sequential([dc.Input(50), MCDropout(0.5)], dtype="float64")
    out = model.forward(np.ones((3, 50)))
    gradient = model.backward(np.ones((3, 50)), input_gradient=True)
    assert (gradient == out).all()


def test_other_layers_without_weights() -> None:
    x = np.array([[-1.0, 2.0]])
    assert dc.Sequential([dc.Input(2), Twice()]).predict(x).tolist() == [[0.0, 4.0]]


def test_of_layers_with_weights_it_is_refused() -> None:
    with pytest.raises(TypeError, match="class Mine: found a method call in a subclass of Dense"):
        type("Mine", (layers.Dense,), {"call": lambda self, x: x})
