"""Configurations in Keras's form, and objects as dictionaries."""

import json
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, saving


class Twice(layers.Layer):
    def __init__(self, factor: float = 2.0, **general: Any) -> None:
        super().__init__(**general)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> Any:
        return {**super().get_config(), "factor": self.factor}


def test_layers_have_class_name_and_config() -> None:
    inner = dc.Sequential([layers.Dense(2)], name="inner")
    model = dc.Sequential([dc.Input((3,)), layers.Dense(4, "relu"), Twice(3.0), inner])
    text = json.loads(model.to_json())
    assert text["class_name"] == "Sequential"
    entries = text["config"]["layers"]
    assert [entry["class_name"] for entry in entries] == [
        "InputLayer", "Dense", "Twice", "Sequential"
    ]  # fmt: skip
    assert entries[0]["config"]["batch_shape"] == [None, 3]
    assert entries[1]["config"]["units"] == 4
    assert entries[2]["config"]["factor"] == 3.0
    assert entries[3]["config"]["layers"][0]["config"]["units"] == 2
    x = np.ones((2, 3))
    known = {"Twice": Twice}
    for again in (
        dc.models.model_from_json(model.to_json(), custom_objects=known),
        dc.Sequential.from_config(model.get_config(), custom_objects=known),
    ):
        again.set_weights(model.get_weights())
        assert (again.predict(x) == model.predict(x)).all()


def test_graphs_begin_with_their_inputs() -> None:
    a, b = dc.Input((2,), name="a"), dc.Input((1,), name="b")
    model = dc.Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
    entries = model.get_config()["layers"]
    assert [entry["config"]["name"] for entry in entries[:2]] == ["a", "b"]
    again = dc.Model.from_config(model.get_config())
    assert again.input_names == ["a", "b"]
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize(
    "thing",
    [
        layers.Dense(3, "tanh", name="d"),
        dc.optimizers.Adam(0.25),
        dc.losses.Huber(delta=2.0),
        dc.metrics.AUC(name="area"),
        dc.initializers.HeNormal(seed=3),
        dc.regularizers.L2(0.5),
        dc.optimizers.schedules.CosineDecay(0.1, 10),
        Twice(4.0),
    ],
)
def test_objects_as_dictionaries(thing: Any) -> None:
    written = json.loads(json.dumps(saving.serialize_keras_object(thing)))
    assert written["class_name"] == type(thing).__name__
    again = saving.deserialize_keras_object(written, custom_objects={"Twice": Twice})
    assert type(again) is type(thing)
    assert again.get_config() == thing.get_config()


def test_values_stand_for_themselves() -> None:
    values = {"a": [1, "b", None], "c": np.float32(2)}
    assert saving.deserialize_keras_object(saving.serialize_keras_object(values)) == {
        "a": [1, "b", None], "c": 2.0
    }  # fmt: skip
    with pytest.raises(ValueError, match="found the class 'Nobody', which is not known here"):
        saving.deserialize_keras_object({"class_name": "Nobody", "config": {}})
    assert layers.deserialize(layers.serialize(layers.Dense(7))).units == 7
