"""Keras's layers for tables, called with arrays."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers


def test_categories_as_columns() -> None:
    one = layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")
    assert one([3, 2, 0]).tolist() == np.eye(4)[[3, 2, 0]].tolist()
    assert one(np.array([[3], [0]])).shape == (2, 4)
    several = layers.CategoryEncoding(num_tokens=4)
    assert several([[0, 1], [0, 0]]).tolist() == [[1, 1, 0, 0], [1, 0, 0, 0]]
    counts = layers.CategoryEncoding(4, output_mode="count")
    assert counts([[0, 1], [0, 0]]).tolist() == [[1, 1, 0, 0], [2, 0, 0, 0]]
    for wrong in ([4], [-1], [0.5]):
        with pytest.raises(ValueError, match="wanted whole numbers from 0 to 3"):
            one(wrong)


def test_strings_as_numbers() -> None:
    layer = layers.StringLookup()
    layer.adapt(np.array(["b", "a", "c", "a", "b", "a"]))
    assert layer.get_vocabulary() == ["[UNK]", "a", "b", "c"]
    assert layer(["a", "z", "c"]).tolist() == [1, 0, 3]
    assert layer.vocabulary_size() == 4
    again = layers.StringLookup.from_config(layer.get_config())
    assert again(["c", "b"]).tolist() == [3, 2]
    back = layers.StringLookup(vocabulary=layer.get_vocabulary(), invert=True)
    assert back(np.array([1, 0, 9])).tolist() == ["a", "[UNK]", "[UNK]"]
    hot = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")
    assert hot([["a"], ["x"]]).tolist() == [[0, 1, 0], [1, 0, 0]]
    masked = layers.StringLookup(vocabulary=["a"], mask_token="", num_oov_indices=2)
    assert masked([""]).tolist() == [0]
    assert masked(["a"]).tolist() == [3]
    strict = layers.StringLookup(vocabulary=["a"], num_oov_indices=0)
    with pytest.raises(ValueError, match="found 'q', which is not in the vocabulary"):
        strict(["q"])
    with pytest.raises(RuntimeError, match="wanted a vocabulary, or adapt first"):
        layers.StringLookup()(["a"])
    small = layers.StringLookup(max_tokens=2)
    small.adapt(["b", "a", "a"])
    assert small.get_vocabulary() == ["[UNK]", "a"]


def test_integers_as_numbers() -> None:
    layer = layers.IntegerLookup()
    layer.adapt([[12, 1138], [42, 42]])
    assert layer.get_vocabulary()[:2] == [-1, 42]
    assert layer([[42, 7]]).tolist() == [[1, 0]]
    assert layers.IntegerLookup(vocabulary=[5, 9], output_mode="multi_hot")([[9, 5]]).tolist() == [
        [0, 1, 1]
    ]


def test_numbers_as_intervals() -> None:
    layer = layers.Discretization(bin_boundaries=[0.0, 1.0, 2.0])
    assert layer([[-1.5, 1.0, 3.4, 0.5], [0.0, 3.0, 1.3, 0.0]]).tolist() == [
        [0, 2, 3, 1],
        [1, 3, 2, 1],
    ]
    learnt = layers.Discretization(num_bins=4)
    learnt.adapt(np.arange(100))
    assert np.bincount(learnt(np.arange(100))).tolist() == [25, 25, 25, 25]
    again = layers.Discretization.from_config(learnt.get_config())
    assert again.bin_boundaries == learnt.bin_boundaries
    columns = layers.Discretization([0.0, 1.0], output_mode="one_hot")
    assert columns(dc.Input(1)).shape == (None, *columns(np.zeros((1, 1))).shape[1:]) == (None, 3)
    with pytest.raises(ValueError, match="in increasing order"):
        layers.Discretization([1.0, 0.0])


def test_anything_as_a_number() -> None:
    layer = layers.Hashing(num_bins=5)
    values = np.array([["A"], ["B"], ["A"]])
    found = layer(values)
    assert found[0] == found[2]
    assert ((found >= 0) & (found < 5)).all()
    assert (layers.Hashing(5)(values) == found).all()
    many = np.arange(500)
    assert len(np.unique(layers.Hashing(7)(many))) == 7
    assert (layers.Hashing(7)(many) != layers.Hashing(7, salt=1)(many)).any()
    masked = layers.Hashing(3, mask_value="")(["", *"abcdefgh"])
    assert masked[0] == 0
    assert set(masked[1:]) == {1, 2}


@pytest.mark.parametrize(
    "layer", [layers.StringLookup(vocabulary=["a"]), layers.Discretization([1.0])]
)
def test_they_stand_on_inputs_of_functional_models(layer: Any) -> None:
    with pytest.raises(TypeError, match="a stack, wanted it on an input of Model"):
        dc.Sequential([dc.Input(1), layer]).build()
    x = dc.Input(1)
    with pytest.raises(TypeError, match=r"layer .*: found it on what a layer computes"):
        dc.Model(x, layer(dc.Dense(1)(x)))


def test_a_model_prepares_its_inputs(tmp_path: Path) -> None:
    """Text and numbers of categories: as if the layers had been called before the model."""
    rng = np.random.default_rng(0)
    town = np.array(["Rome", "Oslo", "Bern"])[rng.integers(0, 3, 50)]
    size, age = rng.integers(10, 13, (50, 2)), rng.normal(size=(50, 1)).astype(np.float32)
    y = (town == "Rome") * 2.0 + age[:, 0]
    lookup = layers.StringLookup(output_mode="one_hot")
    lookup.adapt(town)
    sizes = layers.IntegerLookup(vocabulary=[10, 11, 12])
    bins = layers.Discretization([-1.0, 0.0, 1.0])
    inputs = [
        dc.Input(1, name="town", dtype="string"),
        dc.Input(2, name="size", dtype="int64"),
        dc.Input(1, name="age"),
    ]
    coded = [
        lookup(inputs[0]),
        layers.Flatten()(layers.Embedding(4, 2)(sizes(inputs[1]))),
        layers.CategoryEncoding(4)(bins(inputs[2])),
        inputs[2],
    ]
    model = dc.Model(inputs, dc.Dense(1)(layers.Concatenate()(coded)), seed=0)
    model.compile(dc.optimizers.Adam(0.05), "mse")
    given = {"town": town, "size": size, "age": age}
    history = model.fit(given, y, epochs=60, verbose=0, validation_split=0.2)
    assert history.history["loss"][-1] < 0.1 * history.history["loss"][0]

    coded_age = layers.CategoryEncoding(4)(bins(age))
    matrix = np.hstack([lookup(town), np.zeros((50, 4)), coded_age, age])
    table = model.get_weights()[0]
    matrix[:, 4:8] = table[sizes(size)].reshape(50, 4)
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(model.predict(given), matrix @ kernel + bias, rtol=1e-4, atol=1e-5)
    assert model.predict_on_batch([town[:3], size[:3], age[:3]]).shape == (3, 1)
    model.save(tmp_path / "m")
    loaded = dc.load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict(given), model.predict(given))
    with pytest.raises(ValueError, match=r"input size: found .*, wanted an array"):
        model.predict({**given, "size": size[:, :1]})
    with pytest.raises(TypeError, match="layers of preprocessing"):
        model.input_gradient({"town": town, "size": size, "age": age})


def test_an_error_names_the_layer() -> None:
    x = dc.Input(1, dtype="string")
    known = layers.StringLookup(
        vocabulary=["a"], num_oov_indices=0, output_mode="one_hot", name="town"
    )
    model = dc.Model(x, dc.Dense(1)(known(x)))
    with pytest.raises(ValueError, match=r"^layer town: StringLookup: found 'b'"):
        model.predict(np.array([["b"]]))


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown output_mode of Hashing 'tf_idf'"):
        layers.Hashing(3, output_mode="tf_idf")


def test_a_model_that_prepares_its_inputs_names_what_it_refuses() -> None:
    look = layers.StringLookup(vocabulary=["a", "b", "c"], output_mode="one_hot")
    town, code = dc.Input(1, dtype="string", name="town"), dc.Input(1, name="code")
    ids = layers.IntegerLookup(vocabulary=[1, 2], output_mode="one_hot")(code)
    model = dc.Model([town, code], dc.Dense(1)(layers.concatenate([look(town), ids])), seed=0)
    towns, codes = np.array(["a", "b", "q"]), np.array([1.0, 2.0, 9.0])
    before = model.predict([towns, codes])
    for given, text in (
        ([["a"], ["b", "c"], ["a"]], "input town: found rows of different lengths"),
        (np.array([["a", "b"]] * 3), r"input town: found shape \(3, 2\), wanted an array"),
        (towns[:2], "input code: found 3 rows, wanted 2, as of town"),
    ):
        with pytest.raises(ValueError, match=text):
            model.predict([given, codes])
    for wrong in (1.5, np.nan, np.inf, 1j):
        with pytest.raises(ValueError, match=r"layer integer_lookup: found .*, wanted integers"):
            model.predict([towns, np.array([1.0, 2.0, wrong])])
    look.set_vocabulary(["a", "b", "c", "q"])
    with pytest.raises(ValueError, match="layer string_lookup: found 5 columns, wanted 4"):
        model.predict([towns, codes])
    look.set_vocabulary(["a", "b", "c"])
    assert (model.predict([towns, codes]) == before).all()


@pytest.mark.parametrize("axis", [-1, None])
@pytest.mark.parametrize("how", ["pickle", "copy"])
def test_adapted_numbers_outlive_a_copy(axis: int | None, how: str) -> None:
    """Of a layer that no model has yet, too; and those of None stay one for all features."""
    data = np.random.default_rng(0).normal(3, 2, size=(50, 4))
    layer = layers.Normalization(axis=axis)
    layer.adapt(data)
    made: Any = pickle.loads(pickle.dumps(layer)) if how == "pickle" else copy.deepcopy(layer)
    np.testing.assert_array_equal(made.mean, layer.mean)
    np.testing.assert_array_equal(made(data), layer(data))
    again: Any = pickle.loads(pickle.dumps(layer)) if how == "pickle" else copy.deepcopy(layer)
    np.testing.assert_array_equal(again(data), layer(data))
    assert layers.Normalization.from_config(layer.get_config()).axis == axis
