"""Texts and lists of different lengths as rows of numbers."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers


def test_texts_as_numbers(tmp_path: Any) -> None:
    texts = ["The cat sat.", "the dog, the cat!", "A bird"]
    layer = layers.TextVectorization(output_sequence_length=4)
    layer.adapt(texts)
    words = layer.get_vocabulary()
    assert words[:4] == ["", "[UNK]", "the", "cat"]
    found = layer(["The cat flew away at once", "dog"])
    assert found.tolist() == [[2, 3, 1, 1], [words.index("dog"), 0, 0, 0]]
    again = layers.deserialize(layer.get_config())
    assert (again(texts) == layer(texts)).all()
    counts = layers.TextVectorization(output_mode="count", vocabulary=["cat", "dog"])
    assert counts(["cat cat bird"]).tolist() == [[1, 2, 0]]
    pairs = layers.TextVectorization(output_mode="tf_idf", ngrams=2, max_tokens=4)
    pairs.adapt(texts)
    assert pairs(texts).shape == (3, 4)
    i = dc.Input((1,), name="text")
    bag = layers.GlobalAveragePooling1D()(layers.Embedding(10, 3)(layer(i)))
    model = dc.Model(i, dc.Dense(1)(bag), seed=0)
    model.compile("adam", "mse")
    model.fit(np.array(texts), np.ones(3), verbose=0)
    model.save(tmp_path / "m")
    assert (
        dc.load_model(tmp_path / "m").predict(np.array(texts)) == model.predict(np.array(texts))
    ).all()
    with pytest.raises(ValueError, match="unknown output_mode of TextVectorization"):
        layers.TextVectorization(output_mode="words")
    with pytest.raises(ValueError, match="output_sequence_length: found None in a model"):
        layers.TextVectorization(vocabulary=["a"])(dc.Input(1))


def test_lists_of_different_lengths() -> None:
    pad = dc.utils.pad_sequences
    assert pad([[1], [2, 3, 4]]).tolist() == [[0, 0, 1], [2, 3, 4]]
    assert pad([[1], [2, 3, 4]], 2, padding="post").tolist() == [[1, 0], [3, 4]]
    assert pad([[2, 3, 4]], 2, truncating="post", dtype="float32").tolist() == [[2.0, 3.0]]
    assert pad([[], [5]], value=-1).tolist() == [[-1], [5]]
    with pytest.raises(ValueError, match="padding: found 'left', wanted 'pre' or 'post'"):
        pad([[1]], padding="left")
