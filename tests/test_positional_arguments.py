"""Arguments given by their places mean what they mean in Keras."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import initializers, layers, losses, optimizers, regularizers


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (initializers.GlorotUniform(42), initializers.GlorotUniform(seed=42)),
        (initializers.HeNormal(42), initializers.HeNormal(seed=42)),
        (initializers.RandomNormal(0.0, 1.0, 42), initializers.RandomNormal(0.0, 1.0, seed=42)),
        (initializers.Orthogonal(1.0, 42), initializers.Orthogonal(seed=42)),
        (
            initializers.VarianceScaling(2.0, "fan_in", "uniform", 42),
            initializers.VarianceScaling(2.0, "fan_in", "uniform", seed=42),
        ),
        (layers.Dropout(0.5, None, 42), layers.Dropout(0.5, seed=42)),
        (
            layers.GlobalAveragePooling1D("channels_last", True),
            layers.GlobalAveragePooling1D(keepdims=True),
        ),
        (losses.CosineSimilarity(-1, "sum"), losses.CosineSimilarity(reduction="sum")),
        (
            losses.CategoricalFocalCrossentropy(0.3, 2.0, True, 0.0, -1, "sum", "focal"),
            losses.CategoricalFocalCrossentropy(
                0.3, from_logits=True, reduction="sum", name="focal"
            ),
        ),
        (
            losses.SparseCategoricalCrossentropy(True, None, "sum", -1, "own"),
            losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum", name="own"),
        ),
        (regularizers.l1_l2(l2=0.1), regularizers.L2(0.1)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_places(found: Any, expected: Any) -> None:
    given, wanted = found.get_config(), expected.get_config()
    given.pop("name", None)
    wanted.pop("name", None)
    assert given == wanted


def test_what_keras_does_not_have_is_no_place() -> None:
    with pytest.raises(TypeError, match="positional"):
        optimizers.Adam(0.001, 0.9, 0.999, 1e-7, False, True)  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"noise_shape: found list"):
        layers.Dropout(0.5, [None, 1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="data_format: found 'channels_first'"):
        layers.GlobalMaxPooling1D("channels_first")


@pytest.mark.parametrize("metrics", [[], ["accuracy"]])
def test_class_weights_of_a_batch(metrics: list[str]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 3)).astype("f4"), rng.integers(0, 3, 9)
    own = rng.uniform(1, 2, 9).astype("f4")
    weights = {0: 1.0, 1: 3.0, 2: 0.5}

    def model() -> dc.Sequential:
        made = dc.Sequential([dc.Input(3), dc.Dense(3, "softmax")], seed=0)
        made.compile("sgd", "sparse_categorical_crossentropy", metrics=metrics)
        return made

    both = own * np.array([weights[k] for k in y], "f4")
    expected, by_place, by_name = model(), model(), model()
    loss = expected.train_on_batch(x, y, sample_weight=both)
    assert by_place.train_on_batch(x, y, own, weights) == loss
    named = by_name.train_on_batch(x, y, own, class_weight=weights, return_dict=True)
    assert list(named.values()) == (loss if metrics else [loss])
    np.testing.assert_array_equal(by_place.parameters, expected.parameters)
    np.testing.assert_array_equal(by_name.parameters, expected.parameters)
    without = model()
    without.train_on_batch(x, y)
    assert not np.array_equal(without.parameters, expected.parameters)
