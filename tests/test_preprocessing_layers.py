"""Keras's layers for tables, called with arrays."""

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
    assert layers.Hashing(3, mask_value="")(["", "x"])[0] == 0


@pytest.mark.parametrize(
    "layer", [layers.StringLookup(vocabulary=["a"]), layers.Discretization([1.0])]
)
def test_they_stand_before_a_model(layer: Any) -> None:
    with pytest.raises(TypeError, match="wanted a call with an array before the model"):
        layer(dc.Input(1))
    with pytest.raises(TypeError, match="wanted a call with an array before the model"):
        dc.Sequential([dc.Input(1), layer])


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown output_mode of Hashing 'tf_idf'"):
        layers.Hashing(3, output_mode="tf_idf")
