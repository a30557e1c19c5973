"""`densecore.activations`: functions on arrays in Keras's form, and what a layer may be given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import ACTIVATIONS
from densecore import activations, reference

Z = np.random.default_rng(0).normal(size=(2, 3, 5)) * 2


@pytest.mark.parametrize(("name", "parameters"), ACTIVATIONS)
def test_functions_compute(name: str, parameters: dict[str, Any], dtype: str) -> None:
    function = getattr(activations, name)
    z = Z.astype(dtype)
    expected = reference.ACTIVATIONS[name].forward(z, **parameters)
    by_name = function(z, **parameters)
    by_object = activations.Activation(name, **parameters)(z)
    assert by_name.dtype == dtype
    np.testing.assert_allclose(by_name, expected, atol=16 * float(np.finfo(dtype).eps))
    np.testing.assert_array_equal(by_name, by_object)
    if list(parameters) == list(function.parameters)[: len(parameters)]:
        np.testing.assert_array_equal(by_name, function(z, *parameters.values()))


def test_any_array_like() -> None:
    assert activations.relu([1, -2]).tolist() == [1.0, 0.0]
    assert activations.relu(-3).shape == ()
    assert activations.softmax(np.zeros((0, 3))).shape == (0, 3)
    turned = np.asfortranarray(Z[0])
    np.testing.assert_array_equal(activations.softmax(turned), activations.softmax(Z[0]))
    with pytest.raises(TypeError, match="z: found dtype <U1"):
        activations.relu("a")


def test_relu_in_keras_s_form() -> None:
    z = [-10.0, -5, 0, 5, 10]
    assert activations.relu(z, negative_slope=0.5).tolist() == [-5, -2.5, 0, 5, 10]
    assert activations.relu(z, max_value=5.0).tolist() == [0, 0, 0, 5, 5]
    assert activations.relu(z, threshold=5.0).tolist() == [0, 0, 0, 0, 10]
    assert activations.relu(z, 0.5, None, 1.0).tolist() == [-5.5, -3, -0.5, 5, 10]


def test_a_nan_and_an_infinity_pass() -> None:
    z = np.array([-np.inf, np.nan])
    for name, parameters in ACTIVATIONS:
        if "softmax" not in name:
            with np.errstate(all="ignore"):
                found = activations.Activation(name, **parameters)(z)
            assert not np.isnan(found[0]), name
            assert np.isnan(found[1]), name


def test_get() -> None:
    assert activations.get(None) == activations.linear == activations.get("identity")
    assert activations.get("swish") == activations.silu
    assert activations.get("hard_swish") == activations.hard_silu
    assert activations.get(activations.relu) is activations.relu
    for name, parameters in ACTIVATIONS:
        made = activations.Activation(name, **parameters)
        again = activations.get(made.get_config())
        assert again == made
        assert hash(again) == hash(made)
        assert again.name == name
        assert made.is_default == (not parameters)
        assert eval(repr(made), {"Activation": activations.Activation}) == made
        assert made != activations.Activation("elu", alpha=7)
    assert set(activations.names()) == {name for name, _ in ACTIVATIONS}


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: activations.get("rely"), ValueError, "unknown activation 'rely' .*known: lin"),
        (lambda: activations.get("relu_general"), ValueError, "unknown activation 'relu_gen"),
        (lambda: activations.get(5), TypeError, "activation: found 5, wanted one of the names"),
        (lambda: activations.get({"alpha": 1}), TypeError, "activation: found None"),
        (lambda: activations.get(np.tanh), TypeError, "calls no Python function"),
        (
            lambda: activations.Activation("tanh", alpha=1),
            TypeError,
            "tanh: found the parameter 'alpha', wanted one of: none",
        ),
        (
            lambda: activations.elu(1, alpha="a"),
            TypeError,
            "elu: alpha: found 'a', wanted a",
        ),
        (lambda: activations.elu(1, alpha=-1), ValueError, "elu: alpha: found -1, wanted a fini"),
        (lambda: activations.elu(1, 1, 2), TypeError, "elu: found 3 arguments, wanted at most 2"),
        (lambda: activations.celu(1, alpha=0), ValueError, "celu: alpha: found 0, wanted .* > 0"),
        (lambda: activations.gelu(1, 0.5), TypeError, "approximate: found 0.5, wanted True or"),
        (lambda: activations.relu(1, float("nan")), ValueError, "negative_slope: found nan"),
        (lambda: activations.relu(1, float("inf")), ValueError, "negative_slope: found inf"),
    ],
)
def test_errors(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_layers_take_names_objects_and_configurations(tmp_path: Path) -> None:
    slope = activations.Activation("relu", negative_slope=0.25, max_value=3)
    layers = [
        dc.Dense(4, activations.tanh),
        dc.Dense(4, slope),
        dc.Dense(4, {"name": "elu", "alpha": 0.5}),
        dc.Dense(2, "swish"),
    ]
    assert [layer.activation for layer in layers] == [
        "tanh",
        slope,
        activations.Activation("elu", alpha=0.5),
        "silu",
    ]
    model = dc.Sequential([dc.Input(3), *layers], dtype="float64", seed=1)
    x = np.random.default_rng(1).normal(size=(5, 3))
    a = x
    for layer in layers:
        a = activations.get(layer.activation)(a @ layer.kernel)
    for rows in (1, 5):  # a single row goes another way
        np.testing.assert_allclose(model.predict(x[:rows]), a[:rows], rtol=1e-13)
    model.compile("sgd", "mse")
    model.train_on_batch(x[:1], a[:1])
    model.save(tmp_path / "m.safetensors")
    loaded = dc.load_model(tmp_path / "m.safetensors")
    assert [layer.activation for layer in loaded.layers] == [layer.activation for layer in layers]
    assert loaded.predict(x).tobytes() == model.predict(x).tobytes()
    lines: list[str] = []
    model.summary(lines.append)
    assert "relu(negative_slope=0.25, max_value=3.0)" in lines[0]


def test_the_core_checks_parameters() -> None:
    with pytest.raises(ValueError, match="elu: found 2 parameters, wanted 1"):
        dc._core.NetworkF32(3, [{"kind": "dense", "units": 4, "activation": "elu",
                                 "activation_parameters": [1.0, 2.0]}])  # fmt: skip
    with pytest.raises(ValueError, match="elu: alpha: found -1"):
        dc._core.NetworkF32(3, [{"kind": "dense", "units": 4, "activation": "elu",
                                 "activation_parameters": [-1.0]}])  # fmt: skip
