"""Objects of models as dictionaries in Keras's form, and what is made of them."""

import json
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import saving
from densecore.optimizers import schedules

OBJECTS = {
    "regularizer": dc.regularizers.L1L2(0.1, 0.2),
    "initializer": dc.initializers.HeNormal(seed=3),
    "constraint": dc.constraints.MaxNorm(2.0),
    "loss": dc.losses.Huber(2.0),
    "metric": dc.metrics.TopKCategoricalAccuracy(3),
    "optimizer": dc.optimizers.AdamW(schedules.ExponentialDecay(0.1, 3, 0.5), weight_decay=0.1),
    "schedule": schedules.CosineDecay(0.1, 50),
    "activation": dc.activations.get("leaky_relu"),
    "layer": dc.layers.Dense(3, "gelu", kernel_regularizer="l2", name="a"),
    "array": np.arange(6.0).reshape(2, 3),
    "numbers": {"a": [1, 2.5, None], "b": (True, "x"), "c": np.float32(2)},
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_comes_back(name: str) -> None:
    thing = OBJECTS[name]
    described = saving.serialize_keras_object(thing)
    found = saving.deserialize_keras_object(json.loads(json.dumps(described)))
    assert type(found) is type(thing)
    if name == "array":
        np.testing.assert_array_equal(found, thing)
    elif name == "numbers":
        assert found == thing
    else:
        assert name == "activation" or described["class_name"] == type(thing).__name__
        assert found.get_config() == thing.get_config()


@saving.register_keras_serializable("objects")
class Holding(dc.layers.Layer):
    """A custom layer that holds a regularizer, as Keras's guides write it."""

    def __init__(self, factor: Any, regularizer: Any = None, **general: Any) -> None:
        super().__init__(**general)
        self.factor = factor
        self.regularizer = dc.regularizers.get(regularizer)

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor

    def get_config(self) -> dict[str, Any]:
        held = saving.serialize_keras_object(self.regularizer)
        return {**super().get_config(), "factor": self.factor, "regularizer": held}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Holding":
        config["regularizer"] = saving.deserialize_keras_object(config["regularizer"])
        return cls(**config)


def test_a_layer_of_ones_own_that_holds_objects(tmp_path: Any) -> None:
    layer = Holding(2.0, dc.regularizers.L2(0.3))
    found = saving.deserialize_keras_object(saving.serialize_keras_object(layer))
    assert isinstance(found, Holding)
    assert found.regularizer == layer.regularizer
    model = dc.Sequential([dc.Input(3), layer, dc.Dense(1)], seed=0)
    model.save(tmp_path / "m.safetensors")
    loaded = dc.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.predict(np.eye(3)), model.predict(np.eye(3)))
    assert loaded.layers[0].regularizer == dc.regularizers.L2(0.3)


def test_a_class_that_is_not_registered_is_given_by_name() -> None:
    class Twice(dc.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    described = json.loads(json.dumps(saving.serialize_keras_object(Twice(name="a"))))
    found = saving.deserialize_keras_object(described, custom_objects={"Twice": Twice})
    assert isinstance(found, Twice)
    assert found.name == "a"
    again = dc.layers.deserialize(dc.layers.serialize(dc.layers.Dense(7)))
    assert isinstance(again, dc.layers.Dense)
    assert again.units == 7


def test_functions_and_unknown_classes() -> None:
    def mine(x: Any) -> Any:
        return x

    described = saving.serialize_keras_object(mine)
    assert described["class_name"] == "function"
    assert saving.deserialize_keras_object(described, {"mine": mine}) is mine
    with pytest.raises(ValueError, match="the function 'mine', which is not known"):
        saving.deserialize_keras_object(described)
    with pytest.raises(ValueError, match="the class 'Other', which is not known here"):
        saving.deserialize_keras_object({"class_name": "Other", "config": {}})
    with pytest.raises(TypeError, match="wanted something with a get_config"):
        saving.serialize_keras_object(object())
    relu = {"module": "builtins", "class_name": "function", "config": "relu"}
    assert saving.deserialize_keras_object(relu) == dc.activations.get("relu")
