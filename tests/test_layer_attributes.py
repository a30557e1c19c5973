"""Attributes of a layer that is made do not change: fit and save never see different values."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, regularizers
from densecore.layers import preprocessing

# Objects of the kinds that neither no argument nor one number makes.
MADE: dict[type, Any] = {
    dc.Dense: lambda: dc.Dense(4, "tanh"),
    layers.Activation: lambda: layers.Activation("tanh"),
    layers.Columns: lambda: layers.Columns(0, 4),
    layers.Dot: lambda: layers.Dot(1),
    layers.ElementFunction: lambda: layers.ElementFunction("exp"),
    layers.Embedding: lambda: layers.Embedding(4, 2),
    layers.BatchEnsembleDense: lambda: layers.BatchEnsembleDense(2, members=3),
    layers.OneHotDense: lambda: layers.OneHotDense(2, [4, 4], "tanh"),
    layers.EnsembleDense: lambda: layers.EnsembleDense(2, members=3),
    layers.ParametricActivation: lambda: layers.ParametricActivation("tanh"),
    layers.GroupNormalization: lambda: layers.GroupNormalization(2),
    layers.Permute: lambda: layers.Permute((1,)),
    layers.Reshape: lambda: layers.Reshape((2, 2)),
    layers.Selection: lambda: layers.Selection(0, 4),
    layers.Spread: lambda: layers.Spread((4,)),
    layers.Residual: lambda: layers.Residual([dc.Dense(4)]),
}


def kinds() -> list[type[layers.Layer]]:
    exported = [getattr(layers, name) for name in layers.__all__]
    every = {kind for kind in exported if isinstance(kind, type) and issubclass(kind, layers.Layer)}
    every -= {layers.Layer, layers.Lambda}  # a function is in no configuration
    every -= {layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D, layers.SpatialDropout1D}
    every -= {layers.Attention, layers.AdditiveAttention, layers.MultiHeadAttention, layers.Masking}
    every -= {layers.GroupQueryAttention, layers.EinsumDense}
    every -= set(preprocessing.Preprocessing.__subclasses__())  # they are in no model
    every -= {layers.StringLookup, layers.IntegerLookup}
    return sorted(every, key=lambda kind: kind.__name__)


def made(kind: type[layers.Layer]) -> layers.Layer:
    if kind in MADE:
        layer: layers.Layer = MADE[kind]()
        return layer
    for arguments in ((), (0.5,), (2,)):
        try:
            return kind(*arguments)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            pass
    raise AssertionError(f"give {kind.__name__} a row in MADE")


@pytest.mark.parametrize("kind", kinds())
def test_attributes_of_a_layer_do_not_change(kind: type[layers.Layer]) -> None:
    own = made(kind)
    own.name = "mine"  # no model has it yet
    x = dc.Input(4)
    several = isinstance(own, layers.Add.__base__)  # type: ignore[arg-type]
    model = dc.Model(x, own([x, layers.Activation("tanh")(x)] if several else x), seed=0)
    before = model.get_config()
    for name in own.config_names:
        with pytest.raises(AttributeError, match=f"layer mine: {name}: found .* a layer that is m"):
            setattr(own, name, 0.25)
    assert model.get_config() == before
    own.trainable = False  # this one works
    assert not model.trainable_weights


@pytest.mark.parametrize(
    "make",
    [
        layers.Attention, layers.AdditiveAttention, layers.Masking,
        lambda: layers.MultiHeadAttention(1, 2), lambda: layers.PReLU(shared_axes=[1]),
        lambda: layers.GroupQueryAttention(2, 2, 1), lambda: layers.EinsumDense("abc,cd->abd", 2),
    ],
)  # fmt: skip
def test_nor_do_those_of_layers_of_rows_of_several_dimensions(make: Any) -> None:
    own = make()
    assert own.config_names
    for name in own.config_names:
        with pytest.raises(AttributeError, match=f"{name}: found .* a layer that is made"):
            setattr(own, name, 0.25)


def test_a_layer_of_a_model_is_renamed_unless_another_one_has_the_name() -> None:
    model = dc.Sequential([dc.Input(3), dc.Dense(2), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    model.layers[0].name = "first"
    assert model.get_layer("first") is model.layers[0]
    with pytest.raises(ValueError, match="name: found 'first', which another layer"):
        model.layers[1].name = "first"
    with pytest.raises(TypeError, match="name: found 3"):
        model.layers[1].name = 3
    assert [layer.name for layer in model.layers] == ["first", "dense_1"]


def test_the_blocks_of_a_residual_are_a_copy() -> None:
    block = layers.Residual([dc.Dense(4)])
    block.layers.append(dc.Dense(4))
    assert len(block.layers) == 1


def test_parts_of_a_layer_do_not_change() -> None:
    penalty = regularizers.L2(0.1)
    slope = dc.activations.Activation("leaky_relu", negative_slope=0.1)
    for part, name in ((penalty, "l2"), (slope, "name"), (slope, "parameters")):
        with pytest.raises(AttributeError, match=f"{name}: found 0.5 for an object that is made"):
            setattr(part, name, 0.5)
        assert copy.deepcopy(part) == part == pickle.loads(pickle.dumps(part))
    with pytest.raises(TypeError):
        slope.parameters["negative_slope"] = 0.5  # type: ignore[index]
    with pytest.raises(AttributeError, match="axis: found"):
        dc.Sequential([dc.Input(1), layers.Normalization()]).layers[0].axis = None


# Normalization ------------------------------------------------------------------------------------


def test_a_constant_column_is_only_shifted() -> None:
    x = np.random.default_rng(0).normal(size=(100, 2))
    x[:, 1] = 0.1  # whose mean over 100 rows is not 0.1
    scaled = layers.Normalization()
    scaled.adapt(x)
    model = dc.Sequential([dc.Input(2), scaled], dtype="float64")
    found = model.predict([[0.0, 0.1], [0.0, 0.101]])
    assert found[0, 1] == 0
    assert found[1, 1] == pytest.approx(0.001)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_adapt_refuses_what_is_not_finite(bad: float) -> None:
    x = np.ones((70_000, 3))
    x[69_000, 1] = bad
    scaled = layers.Normalization()
    with pytest.raises(ValueError, match=f"adapt: found {bad} in column 1, row 69000, wanted fin"):
        scaled.adapt(x)
    model = dc.Sequential([dc.Input(3), scaled])
    with pytest.raises(ValueError, match="adapt: found"):
        scaled.adapt(x)
    with pytest.raises(ValueError, match="found numbers for 2 features, wanted 3"):
        scaled.adapt(np.ones((5, 2)))
    assert np.isfinite(model.get_weights()[0]).all()
    assert scaled._values is None


def test_axes_of_normalization() -> None:
    images = np.random.default_rng(0).normal(2.0, 3.0, size=(20, 4, 3))
    whole, features = layers.Normalization(axis=None), layers.Normalization()
    whole.adapt(images)
    features.adapt(images)
    one = dc.Sequential([dc.Input((4, 3)), whole], dtype="float64").predict(images)
    np.testing.assert_allclose(one, (images - images.mean()) / images.std(), rtol=1e-12)
    each = dc.Sequential([dc.Input((4, 3)), features], dtype="float64").predict(images)
    mean, deviation = images.mean(axis=(0, 1)), images.std(axis=(0, 1))
    np.testing.assert_allclose(each, (images - mean) / deviation, rtol=1e-12)


def test_shapes_of_outputs() -> None:
    shape = layers.Dense(3).compute_output_shape
    assert shape((None, 5)) == (None, 3)
    assert shape([7, 4, 5]) == (7, 4, 3)
    assert layers.Concatenate().compute_output_shape([(None, 2), (None, 3)]) == (None, 5)
    assert layers.Embedding(9, 2).compute_output_shape((None, 4)) == (None, 4, 2)
    assert layers.Flatten().compute_output_shape((None, 4, 2)) == (None, 8)
    with pytest.raises(ValueError, match=r"input_shape: found tuple \(\), wanted \(rows, \.\.\.\)"):
        shape(())
    with pytest.raises(ValueError, match="wanted"):
        layers.RepeatVector(2).compute_output_shape((None, 4, 2))


def test_a_penalty_of_outputs_does_not_change() -> None:
    """Set as a text it trained without, and the model could not be saved any more."""

    class Mine(dc.Dense):
        def __init__(self) -> None:
            super().__init__(4)
            self.activity_regularizer = "l1"

    layer = Mine()
    assert isinstance(layer.activity_regularizer, regularizers.L1)
    layer.activity_regularizer = None
    model = dc.Sequential([dc.Input(4), layer], seed=0)
    with pytest.raises(
        AttributeError, match="activity_regularizer: found 'l1' for a layer that is"
    ):
        layer.activity_regularizer = "l1"
    assert model.get_config()
