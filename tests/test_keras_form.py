"""Configurations of models in Keras's form."""

import json
from typing import Any

import numpy as np

import densecore as dc
from densecore import layers


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
