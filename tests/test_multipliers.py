"""Learning rates and weight decays that differ from array to array."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers

RULES: dict[str, Any] = {
    "sgd": lambda rate: dc.optimizers.SGD(rate),
    "momentum": lambda rate: dc.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "adam": lambda rate: dc.optimizers.Adam(rate),
    "adamw": lambda rate: dc.optimizers.AdamW(rate, weight_decay=0.3),
    "clipped": lambda rate: dc.optimizers.Adam(rate, global_clipnorm=0.5),
    "averaged": lambda rate: dc.optimizers.RMSprop(rate, use_ema=True, ema_momentum=0.5),
    "accumulated": lambda rate: dc.optimizers.Adam(rate, gradient_accumulation_steps=2),
    "lamb": lambda rate: dc.optimizers.Lamb(rate),
    "scheduled": lambda rate: dc.optimizers.AdamW(
        dc.schedules.CosineDecay(rate, 10), weight_decay=0.1
    ),
}


def trained(
    rule: str, rate: float, units: int, rows: int, multiplier: Any = None, steps: int = 1
) -> dc.Sequential:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 5)), rng.normal(size=(rows, 2))
    model = dc.Sequential(
        [dc.Input(5), dc.Dense(units, "tanh", learning_rate_multiplier=multiplier), dc.Dense(2)],
        dtype="float64",
        seed=1,
    )
    model.compile(RULES[rule](rate), "mse")
    for _ in range(2 * steps if rule == "accumulated" else steps):
        model.train_on_batch(x, y)
    return model


# Rows and units of the three ways of a step: small, in blocks, layer by layer.
@pytest.mark.parametrize(("units", "rows"), [(4, 1), (4, 3), (6, 30), (60, 700), (1500, 300)])
@pytest.mark.parametrize("rule", RULES)
def test_each_array_has_a_rate_of_its_own(rule: str, units: int, rows: int) -> None:
    """One step with a multiplier is a step with that rate, to the bit."""
    found = trained(rule, 0.125, units, rows, {"kernel": 2, "bias": 0.25})
    plain, doubled, less = (trained(rule, rate, units, rows) for rate in (0.125, 0.25, 0.03125))
    assert found.layers[0].kernel.tobytes() == doubled.layers[0].kernel.tobytes()
    assert found.layers[0].bias.tobytes() == less.layers[0].bias.tobytes()
    assert found.layers[1].kernel.tobytes() == plain.layers[1].kernel.tobytes()
    assert found.layers[0].kernel.tobytes() != plain.layers[0].kernel.tobytes()


def test_decay_by_array() -> None:
    model = dc.Sequential(
        [dc.Input(3), dc.Dense(4, weight_decay_multiplier={"kernel": 3, "bias": 0}), dc.Dense(1)],
        dtype="float64",
        seed=1,
    )
    model.layers[0].bias[:] = 1.0
    before = [array.copy() for array in model.weights]
    model.compile(dc.optimizers.SGD(0.1, weight_decay=0.5), "mse")
    model.train_on_batch(np.zeros((2, 3)), model.predict(np.zeros((2, 3))))  # no gradient
    np.testing.assert_allclose(model.layers[0].kernel, before[0] * (1 - 0.1 * 1.5))
    np.testing.assert_array_equal(model.layers[0].bias, before[1])
    np.testing.assert_allclose(model.layers[1].kernel, before[2] * (1 - 0.1 * 0.5))


def make(seed: int = 3) -> dc.Sequential:
    block = [dc.Dense(8, "tanh", learning_rate_multiplier=0.5)]
    return dc.Sequential(
        [
            dc.Input(8),
            layers.Scale(learning_rate_multiplier=6, weight_decay_multiplier=2),
            layers.Residual(block),
            layers.LayerNormalization(learning_rate_multiplier={"beta": 0.1}),
            dc.Dense(1),
        ],
        seed=seed,
    )


def test_saved_loaded_and_resumed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 8)), rng.normal(size=(64, 1))
    whole, model = make(), make()
    for one in (whole, model):
        one.compile("adamw", "mse")
    whole.fit(x, y, epochs=4, batch_size=16, verbose=0)
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = dc.load_model(tmp_path / "m.safetensors")
    assert again.layers[0].learning_rate_multiplier == {"scale": 6.0}
    assert again.get_config() == model.get_config()
    again.fit(x, y, epochs=4, initial_epoch=2, batch_size=16, verbose=0)
    assert again.parameters.tobytes() == whole.parameters.tobytes()


def test_members_have_them_too() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 8)).astype("f"), rng.normal(size=(64, 1)).astype("f")
    shared = make()
    shared.compile("adamw", "mse")
    ensemble = dc.Ensemble(shared, 3)
    ensemble.fit(x, y, epochs=2, batch_size=16, verbose=0)
    for seed in range(3):
        model = make(shared.seed + seed)
        model.compile("adamw", "mse")
        model.fit(x, y, epochs=2, batch_size=16, verbose=0)
        np.testing.assert_array_equal(ensemble.parameters[seed], model.parameters)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: dc.Dense(2, learning_rate_multiplier=0), "rate_multiplier: kernel: found 0"),
        (lambda: dc.Dense(2, learning_rate_multiplier={"gamma": 1}),
         "learning_rate_multiplier: found 'gamma', wanted names among kernel, bias"),
        (lambda: dc.Dense(2, weight_decay_multiplier=-1), "decay_multiplier: kernel: found -1"),
        (lambda: layers.Dropout(0.1, learning_rate_multiplier={"x": 2}), "the layer has no arrays"),
    ],
)  # fmt: skip
def test_errors(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()


def test_layers_that_are_made_keep_them() -> None:
    layer = dc.Dense(2, learning_rate_multiplier=2)
    assert layer.learning_rate_multiplier == {"kernel": 2.0, "bias": 2.0}
    with pytest.raises(AttributeError, match="learning_rate_multiplier"):
        layer.learning_rate_multiplier = {}


def test_by_fan_in() -> None:
    """Texts are the numbers that they are for the layer's inputs, to the bit; saved as texts."""
    x, y = np.random.default_rng(0).normal(size=(40, 9)), np.zeros((40, 2))
    found = []
    for first, second, decay in (
        ({"kernel": "1/sqrt(fan_in)", "bias": 0.1}, "0.5/sqrt(fan_in)", "2 * sqrt(fan_in)"),
        ({"kernel": 1 / 3, "bias": 0.1}, 0.25, 4.0),
    ):
        model = dc.Sequential(
            [dc.Input(9), dc.Dense(4, "tanh", learning_rate_multiplier=first),
             dc.Dense(2, learning_rate_multiplier=second, weight_decay_multiplier=decay)],
            dtype="float64", seed=1,
        )  # fmt: skip
        again = dc.Sequential.from_config(model.get_config())
        for one in (model, again):
            one.compile(dc.optimizers.AdamW(0.01, weight_decay=0.1), "mse")
            one.fit(x, y, epochs=2, verbose=0)
            found.append(one.parameters.tobytes())
        kept = again.layers[0].learning_rate_multiplier
        assert kept == model.layers[0].learning_rate_multiplier
    assert len(set(found)) == 1


def test_neural_tangent_parametrisation_is_a_rate_by_fan_in() -> None:
    """z = W x / sqrt(d) with W of Adam's rate r is a kernel W / sqrt(d) of rate r / sqrt(d)."""
    x, y = np.random.default_rng(0).normal(size=(60, 16)), np.zeros((60, 1))
    kernel = np.random.default_rng(1).normal(size=(16, 1))
    ours = dc.Sequential(
        [dc.Input(16), dc.Dense(1, learning_rate_multiplier={"kernel": "1/sqrt(fan_in)"})],
        dtype="float64",
    )
    theirs = dc.Sequential([dc.Input(16), layers.Rescaling(0.25), dc.Dense(1)], dtype="float64")
    ours.layers[-1].kernel[...] = kernel / 4
    theirs.layers[-1].kernel[...] = kernel
    for model in (ours, theirs):
        model.compile(dc.optimizers.Adam(0.04, epsilon=1e-30), "mse")
        model.fit(x, y, epochs=5, shuffle=False, verbose=0)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-9)


def test_fan_in_of_members_and_of_vectors() -> None:
    options = {"learning_rate_multiplier": "1/sqrt(fan_in)"}
    stack = [
        dc.Input((3, 4)), dc.Dense(25, **options),
        layers.BatchEnsembleDense(2, **options), layers.Flatten(),
    ]  # fmt: skip
    found = [
        spec["multipliers"] for spec in dc.Sequential(stack)._plan().specs if "multipliers" in spec
    ]
    assert found == [[[0.5, 1.0]] * 2, [[0.2, 1.0]] * 4]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: dc.Dense(2, learning_rate_multiplier="fast"), "found 'fast', wanted a number, or"),
        (lambda: dc.Dense(2, learning_rate_multiplier="0/sqrt(fan_in)"), "found 0"),
        (lambda: dc.Dense(2, learning_rate_multiplier="a/sqrt(fan_in)"), "found 'a/sqrt"),
        (
            lambda: dc.Sequential(
                [dc.Input(2), layers.Scale(learning_rate_multiplier="1/sqrt(fan_in)")]
            )._plan(),
            "its arrays have no fan_in",
        ),
    ],
)
def test_texts_that_are_refused(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()
